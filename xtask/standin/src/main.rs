//! The HubSpot stand-in as a process of its own, for `cargo xtask demo`.
//!
//! Takes the access token to let in and the file to write its authority's certificate to. Says
//! where it listens, and stops when its stdin closes. The rules it keeps are `sophia-standins`'.

use std::{env, fs, io::Read as _};

use anyhow::Context as _;
use sophia_standins::hubspot::{HubSpot, Options};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = env::args().skip(1);
    let (token, certificate) = args.next().zip(args.next()).context("usage: standin TOKEN CERTIFICATE-FILE")?;
    let hubspot = HubSpot::start(Options::for_token(&token)).await?;
    fs::write(&certificate, hubspot.authority_pem()).with_context(|| format!("cannot write {certificate}"))?;
    println!("listening on {}", hubspot.address());
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}
