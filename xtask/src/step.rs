use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

/// A time as people read it: `43 ms`, `1.2 s`, `3 min 4 s`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Took(pub(crate) Duration);

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(took) = self;
        match took.as_secs() {
            0 => write!(f, "{} ms", took.as_millis()),
            1..60 => write!(f, "{:.1} s", took.as_secs_f64()),
            seconds => write!(f, "{} min {} s", seconds / 60, seconds % 60),
        }
    }
}

/// A step that writes to the terminal itself, such as cargo: announced before, timed after.
pub(crate) fn step<T>(title: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("• {title}");
    let start = Instant::now();
    let done = work();
    let (mark, took) = (if done.is_ok() { "✓" } else { "✗" }, Took(start.elapsed()));
    eprintln!("{mark} {title}, {took}");
    done
}

/// A step that is quiet: a turning wheel with its time on a terminal, one line in a pipe.
pub(crate) fn quiet_step<T>(title: &str, work: impl FnOnce(&ProgressBar) -> Result<T>) -> Result<T> {
    let wheel = ProgressBar::new_spinner().with_style(wheel_style()).with_message(title.to_owned());
    wheel.enable_steady_tick(Duration::from_millis(100));
    let start = Instant::now();
    let done = work(&wheel);
    wheel.finish_and_clear();
    let (mark, took) = (if done.is_ok() { "✓" } else { "✗" }, Took(start.elapsed()));
    eprintln!("{mark} {}, {took}", wheel.message());
    done
}

fn wheel_style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {msg} ({elapsed})").unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// What took how long, one line each.
pub(crate) fn summary(took: &[(&str, Duration)]) -> String {
    let total = took.iter().map(|(_, took)| *took).sum();
    let lines = took.iter().map(|(name, took)| format!("  {name:<8} {}\n", Took(*took)));
    lines.collect::<String>() + &format!("  {:<8} {}", "so far", Took(total))
}
