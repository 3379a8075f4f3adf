use anyhow::{Result, bail};

use crate::checkout::Checkout;

/// To come.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_checkout: &Checkout, _args: &Args) -> Result<()> {
    bail!("to come")
}
