//! Checks what `describe` answers before it is believed, and gives it a shape for people.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sophia_domain::PluginName;
use sophia_sandbox::Description;

/// Most operations and most streams. The largest connectors in the field have about 150 streams.
const MAX_ITEMS: usize = 256;
/// Longest title, summary or field name.
const MAX_TEXT_BYTES: usize = 4 << 10;

/// Why a description is none. All texts are public.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// More than any plugin needs.
    #[error("it describes more than {MAX_ITEMS} {0}")]
    TooMany(&'static str),
    /// A name that cannot be in a URL.
    #[error("`{0}` is no name: use 1 to 63 of a-z, 0-9 and `-`, beginning with a letter")]
    Name(String),
    /// Two of the same name.
    #[error("it describes `{0}` twice")]
    Twice(String),
    /// Not a JSON object where a schema belongs.
    #[error("the {part} of `{name}` is not a JSON object")]
    Schema {
        /// Whose.
        name: String,
        /// Which.
        part: &'static str,
    },
    /// An example that is not JSON.
    #[error("the example of `{0}` is not JSON")]
    Example(String),
    /// Text beyond its bound.
    #[error("a title, summary or field name is longer than {MAX_TEXT_BYTES} bytes")]
    TooLong,
}

/// Whether a description can be believed.
pub(super) fn check(said: &Description) -> Result<(), OfferError> {
    check_texts(said)?;
    check_names("operations", said.operations.iter().map(|operation| operation.name.as_str()))?;
    check_names("streams", said.streams.iter().map(|stream| stream.name.as_str()))?;
    if let Some(schema) = &said.configuration {
        check_schema("configuration", "schema", schema)?;
    }
    for operation in &said.operations {
        check_schema(&operation.name, "schema of arguments", &operation.arguments)?;
        check_schema(&operation.name, "schema of the outcome", &operation.outcome)?;
        if operation.example.as_ref().is_some_and(|example| parse(example).is_none()) {
            return Err(OfferError::Example(operation.name.clone()));
        }
    }
    for stream in &said.streams {
        check_schema(&stream.name, "schema", &stream.schema)?;
    }
    Ok(())
}

/// A description with its schemas as JSON instead of text, as the API shows it.
pub(crate) fn embedded(said: &Description) -> Value {
    let schema = |text: &String| parse(text).unwrap_or_default();
    let operations = said.operations.iter().map(|operation| {
        json!({
            "name": operation.name,
            "summary": operation.summary,
            "arguments": schema(&operation.arguments),
            "outcome": schema(&operation.outcome),
            "example": operation.example.as_ref().map(schema),
        })
    });
    let streams = said.streams.iter().map(|stream| {
        json!({
            "name": stream.name,
            "summary": stream.summary,
            "schema": schema(&stream.schema),
            "primary_key": stream.primary_key,
            "cursor_field": stream.cursor_field,
        })
    });
    json!({
        "title": said.title,
        "summary": said.summary,
        "configuration": said.configuration.as_ref().map(schema),
        "operations": operations.collect::<Vec<_>>(),
        "streams": streams.collect::<Vec<_>>(),
    })
}

fn check_texts(said: &Description) -> Result<(), OfferError> {
    let operations = said.operations.iter().map(|operation| &operation.summary);
    let streams = said.streams.iter();
    let fields = streams.clone().flat_map(|stream| stream.primary_key.iter().chain(&stream.cursor_field));
    let mut texts =
        [&said.title, &said.summary].into_iter().chain(operations).chain(streams.map(|s| &s.summary)).chain(fields);
    if texts.any(|text| text.len() > MAX_TEXT_BYTES) { Err(OfferError::TooLong) } else { Ok(()) }
}

fn check_names<'a>(what: &'static str, names: impl ExactSizeIterator<Item = &'a str>) -> Result<(), OfferError> {
    if names.len() > MAX_ITEMS {
        return Err(OfferError::TooMany(what));
    }
    let mut seen = BTreeSet::new();
    for name in names {
        // Operations and streams are named by the same rule as plugins.
        if name.parse::<PluginName>().is_err() {
            return Err(OfferError::Name(name.chars().filter(|c| !c.is_control()).take(64).collect()));
        }
        if !seen.insert(name) {
            return Err(OfferError::Twice(name.to_owned()));
        }
    }
    Ok(())
}

fn check_schema(name: &str, part: &'static str, schema: &str) -> Result<(), OfferError> {
    match parse(schema) {
        Some(Value::Object(_)) => Ok(()),
        _ => Err(OfferError::Schema { name: name.to_owned(), part }),
    }
}

fn parse(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use sophia_sandbox::{Operation, StreamDescription};

    use super::*;

    fn operation(name: &str) -> Operation {
        Operation {
            name: name.into(),
            summary: "Creates a contact.".into(),
            arguments: r#"{"type":"object"}"#.into(),
            outcome: "{}".into(),
            example: Some(r#"{"email":"a@b.example"}"#.into()),
        }
    }

    fn description() -> Description {
        Description {
            title: "HubSpot".into(),
            summary: "Reads a portal.".into(),
            configuration: Some("{}".into()),
            operations: vec![operation("create-contact")],
            streams: vec![StreamDescription {
                name: "contacts".into(),
                summary: "Contacts.".into(),
                schema: r#"{"type":"object"}"#.into(),
                primary_key: vec!["id".into()],
                cursor_field: Some("updated".into()),
            }],
        }
    }

    #[test]
    fn believes_a_good_description_and_shows_its_schemas() {
        let said = description();
        assert_eq!(check(&said), Ok(()));
        let shown = embedded(&said);
        assert_eq!(shown["streams"][0]["schema"]["type"], "object");
        assert_eq!(shown["operations"][0]["example"]["email"], "a@b.example");
    }

    #[test]
    fn believes_nothing_else() {
        let with = |change: fn(&mut Description)| {
            let mut said = description();
            change(&mut said);
            check(&said)
        };
        let schema = |name: &str, part| Err(OfferError::Schema { name: name.into(), part });
        assert_eq!(with(|d| d.configuration = Some("[]".into())), schema("configuration", "schema"));
        assert_eq!(with(|d| d.streams[0].schema = "{".into()), schema("contacts", "schema"));
        assert_eq!(
            with(|d| d.operations[0].arguments = "true".into()),
            schema("create-contact", "schema of arguments")
        );
        assert_eq!(
            with(|d| d.operations[0].example = Some("x".into())),
            Err(OfferError::Example("create-contact".into()))
        );
        assert_eq!(with(|d| d.operations[0].name = "../x".into()), Err(OfferError::Name("../x".into())));
        assert_eq!(
            with(|d| d.operations.push(operation("create-contact"))),
            Err(OfferError::Twice("create-contact".into()))
        );
        assert_eq!(
            with(|d| d.operations = (0..=MAX_ITEMS).map(|n| operation(&format!("a{n}"))).collect()),
            Err(OfferError::TooMany("operations"))
        );
        assert_eq!(with(|d| d.title = "x".repeat(MAX_TEXT_BYTES + 1)), Err(OfferError::TooLong));
    }
}
