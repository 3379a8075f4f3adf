//! `sophia policy`: asks a policy directly.

use clap::Subcommand;
use sophia_domain::PluginName;

use super::{Failure, client::Client, input, show::Show};

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Ask what a routing policy would decide
    #[command(after_help = EXAMPLE)]
    Ask {
        /// The policy
        policy: PluginName,
        /// Request and candidates: JSON, `@FILE`, or `-` for standard input
        #[arg(default_value = "-")]
        body: String,
    },
}

const EXAMPLE: &str = r#"Example: sophia policy ask cost-aware '{
  "request": {"class": "fast", "input_tokens": 900, "max_output_tokens": 200},
  "candidates": [{"id": "a", "model": "small", "health": "healthy", "latency_ms": 80, "queue": 0,
                  "input_price_micro_usd": 100000, "output_price_micro_usd": 400000}]
}'"#;

pub(super) async fn run(command: PolicyCommand, client: &Client, show: Show) -> Result<(), Failure> {
    match command {
        PolicyCommand::Ask { policy, body } => {
            let answer = client.post(&format!("/v1/policies/{policy}/ask"), &input::json(&body)?).await?;
            show.json(&answer)
        }
    }
}
