use anyhow::Result;

use super::Guests;

/// Nothing yet.
pub(crate) fn build(_guests: &Guests) -> Result<()> {
    Ok(())
}
