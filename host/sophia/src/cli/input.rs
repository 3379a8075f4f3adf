//! Values that are typed, piped or in a file.

use std::io::{IsTerminal, Read};

use anyhow::Context;
use serde_json::value::RawValue;

use super::Failure;

/// JSON as an argument: itself, `@FILE`, or `-` for standard input. The text is kept as it is.
pub(crate) fn json(argument: &str) -> Result<Box<RawValue>, Failure> {
    let text = match argument.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?,
        None if argument == "-" => standard_input()?,
        None => argument.to_owned(),
    };
    serde_json::from_str(&text).map_err(|wrong| Failure::Usage(format!("not JSON: {wrong}")))
}

/// A secret's value: asked for on a terminal, without showing it; else standard input, without
/// the line's end that `echo` adds.
pub(crate) fn secret(name: &str) -> Result<String, Failure> {
    if std::io::stdin().is_terminal() {
        let terminal = console::Term::stderr();
        terminal.write_str(&format!("value of {name}: "))?;
        return Ok(terminal.read_secure_line()?);
    }
    let text = standard_input()?;
    Ok(text.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text)).unwrap_or(&text).to_owned())
}

/// `KEY=VALUE`
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("`{text}`: write KEY=VALUE"))?;
    Ok((key.to_owned(), value.to_owned()))
}

fn standard_input() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
    Ok(text)
}
