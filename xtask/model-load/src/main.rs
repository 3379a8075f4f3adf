//! What `cargo xtask bench` asks models with, and what answers: an upstream without any delay of
//! its own, an open loop of chats, and streams whose events carry the time of their sending.
//!
//! An open loop sends when it is time, whether earlier answers came or not, and counts a latency
//! from the time at which it should have sent. So a node that stalls cannot hide it.
//!
//! ```text
//! model-load upstream
//! model-load chats URL KEY MODEL RATE SECONDS    {"n":…,"p50_us":…,"p99_us":…,"late_p99_us":…,"dropped":…,"failed":…}
//! model-load stream URL KEY MODEL N              {"n":…,"p50_us":…}
//! ```

mod chats;
mod client;
mod percentile;
mod stream;
mod upstream;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // One thread, as the load has one core.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match words.as_slice() {
        ["upstream"] => runtime.block_on(upstream::run()),
        ["chats", url, key, model, rate, seconds] => {
            let target = client::Target::new(url, key, model)?;
            runtime.block_on(chats::run(target, rate.parse()?, seconds.parse()?))
        }
        ["stream", url, key, model, n] => {
            let target = client::Target::new(url, key, model)?;
            runtime.block_on(stream::run(&target, n.parse()?))
        }
        _ => bail!("usage: model-load upstream | chats URL KEY MODEL RATE SECONDS | stream URL KEY MODEL N"),
    }
}
