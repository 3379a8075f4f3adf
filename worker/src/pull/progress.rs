//! What a person sees of a run, on standard error: bars on a terminal, lines in a pipe.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often a bar is drawn again.
const DRAW: Duration = Duration::from_millis(200);

/// Says that something is done.
pub(super) fn say(text: &str) {
    eprintln!("{text}");
}

/// A bar for something of a known size. Hidden where nobody watches.
pub(super) fn bar(name: &'static str, bytes: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{msg} [{wide_bar}] {bytes}/{total_bytes} {bytes_per_sec}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_message(name);
    bar.enable_steady_tick(DRAW);
    bar
}
