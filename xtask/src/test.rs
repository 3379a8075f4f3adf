use anyhow::{Result, bail};

use crate::checkout::Checkout;

/// To come.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

#[derive(Clone, Copy)]
pub(crate) enum Counts { Small, Large }

pub(crate) fn run(_checkout: &Checkout, _args: &Args, _counts: Counts) -> Result<()> {
    bail!("to come")
}
