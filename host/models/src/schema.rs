//! Whether something can be a JSON Schema at all, looked at before any money is held. Draft
//! 2020-12, and only what workers constrain decoding by: what they cannot do they refuse
//! themselves. A keyword that is not known here is let through.

use serde_json::{Map, Value};

/// Why a schema cannot be: where (a JSON Pointer) and what.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}, at `{}`", if pointer.is_empty() { "/" } else { pointer })]
pub(crate) struct SchemaError {
    pointer: String,
    what: &'static str,
}

/// Deeper than any record; guided decoding compiles each level.
const MAX_DEPTH: usize = 32;

const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "object", "array", "null"];

/// Keywords whose value is a schema, an object of schemas, a list of schemas.
const ONE: [&str; 8] = ["items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"];
const NAMED: [&str; 4] = ["properties", "patternProperties", "$defs", "definitions"];
const LISTED: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];

const COUNTS: [&str; 6] = ["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"];
const NUMBERS: [&str; 4] = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"];
const RANGES: [(&str, &str); 4] =
    [("minLength", "maxLength"), ("minItems", "maxItems"), ("minProperties", "maxProperties"), ("minimum", "maximum")];

/// Checks the schema of an answer, which is an object, not `true` or `false`.
pub(crate) fn check(schema: &Value) -> Result<(), SchemaError> {
    let Value::Object(_) = schema else { return Err(at("", "a schema is a JSON object")) };
    Checker { root: schema }.check(schema, "", MAX_DEPTH)
}

struct Checker<'a> {
    root: &'a Value,
}

impl Checker<'_> {
    fn check(&self, schema: &Value, pointer: &str, depth: usize) -> Result<(), SchemaError> {
        let object = match schema {
            Value::Bool(_) => return Ok(()),
            Value::Object(object) => object,
            _ => return Err(at(pointer, "a schema is an object, true or false")),
        };
        let depth = depth.checked_sub(1).ok_or_else(|| at(pointer, "the schema is nested too deep"))?;
        check_keywords(object, pointer)?;
        self.check_reference(object, pointer)?;
        for (keyword, value) in object {
            self.check_parts(keyword, value, &format!("{pointer}/{}", escaped(keyword)), depth)?;
        }
        Ok(())
    }

    /// The schemas inside of a keyword.
    fn check_parts(&self, keyword: &str, value: &Value, pointer: &str, depth: usize) -> Result<(), SchemaError> {
        let keyword = &keyword;
        match value {
            // Before draft 2020-12, `items` could be a list.
            Value::Array(parts) if LISTED.contains(keyword) || *keyword == "items" => {
                if parts.is_empty() && *keyword != "items" {
                    return Err(at(pointer, "a list of schemas has one at least"));
                }
                let mut parts = parts.iter().enumerate();
                parts.try_for_each(|(n, part)| self.check(part, &format!("{pointer}/{n}"), depth))
            }
            Value::Object(parts) if NAMED.contains(keyword) => {
                let mut parts = parts.iter();
                parts.try_for_each(|(name, part)| self.check(part, &format!("{pointer}/{}", escaped(name)), depth))
            }
            _ if LISTED.contains(keyword) => Err(at(pointer, "this keyword holds a list of schemas")),
            _ if NAMED.contains(keyword) => Err(at(pointer, "this keyword holds an object of schemas")),
            part if ONE.contains(keyword) => self.check(part, pointer, depth),
            _ => Ok(()),
        }
    }

    /// Nothing is fetched, so a reference points into the same schema.
    fn check_reference(&self, object: &Map<String, Value>, pointer: &str) -> Result<(), SchemaError> {
        let Some(reference) = object.get("$ref") else { return Ok(()) };
        let target = reference.as_str().and_then(|text| text.strip_prefix('#'));
        match target.and_then(|target| self.root.pointer(target)) {
            Some(_) => Ok(()),
            None => Err(at(
                &format!("{pointer}/$ref"),
                "a reference points to a place in the same schema, as `#/$defs/name`",
            )),
        }
    }
}

/// What the keywords of one schema say about themselves and each other.
fn check_keywords(object: &Map<String, Value>, pointer: &str) -> Result<(), SchemaError> {
    for (keyword, value) in object {
        if let Err(what) = check_keyword(keyword, value) {
            return Err(at(&format!("{pointer}/{}", escaped(keyword)), what));
        }
    }
    for (least, most) in RANGES {
        let (least, most) = (object.get(least).and_then(Value::as_f64), object.get(most).and_then(Value::as_f64));
        if least.zip(most).is_some_and(|(least, most)| least > most) {
            return Err(at(pointer, "nothing can be between a minimum and a smaller maximum"));
        }
    }
    Ok(())
}

fn check_keyword(keyword: &str, value: &Value) -> Result<(), &'static str> {
    let is_sound = match keyword {
        "type" => match value {
            Value::Array(types) => !types.is_empty() && types.iter().all(is_type),
            one => is_type(one),
        },
        "required" => match value {
            Value::Array(names) => names.iter().all(Value::is_string),
            _ => false,
        },
        "enum" => value.as_array().is_some_and(|values| !values.is_empty()),
        "pattern" | "format" | "title" | "description" | "$schema" => value.is_string(),
        _ if COUNTS.contains(&keyword) => value.is_u64(),
        _ if NUMBERS.contains(&keyword) => value.is_number(),
        _ => true,
    };
    if is_sound { Ok(()) } else { Err(expectation(keyword)) }
}

fn expectation(keyword: &str) -> &'static str {
    match keyword {
        "type" => "`type` is one or some of string, number, integer, boolean, object, array and null",
        "required" => "`required` is a list of names",
        "enum" => "`enum` is a list of one value at least",
        _ if COUNTS.contains(&keyword) => "this keyword is a whole number from 0",
        _ if NUMBERS.contains(&keyword) => "this keyword is a number",
        _ => "this keyword is a string",
    }
}

fn is_type(value: &Value) -> bool {
    value.as_str().is_some_and(|name| TYPES.contains(&name))
}

fn at(pointer: &str, what: &'static str) -> SchemaError {
    SchemaError { pointer: pointer.chars().take(200).collect(), what }
}

/// RFC 6901.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(json: &str) -> String {
        check(&serde_json::from_str(json).unwrap()).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn lets_through_what_can_be() {
        for json in [
            "{}",
            r##"{"type":"object","properties":{"findings":{"type":"array","items":{"$ref":"#/$defs/f"},"maxItems":9}},
                "required":["findings"],"additionalProperties":false,"$defs":{"f":{"type":["string","null"]}}}"##,
            r#"{"anyOf":[{"enum":[1,"a",null]},{"const":4},true],"minimum":1,"maximum":1.5,"x-own":[]}"#,
            r##"{"type":"object","properties":{"child":{"$ref":"#"},"type":{"type":"string"},"a/b":false}}"##,
        ] {
            assert_eq!(complaint(json), "", "{json}");
        }
    }

    #[test]
    fn names_the_place_of_what_cannot() {
        for (json, expected) in [
            ("[]", "a schema is a JSON object, at `/`"),
            ("true", "a schema is a JSON object, at `/`"),
            (
                r#"{"properties":{"a/b":{"type":"text"}}}"#,
                "`type` is one or some of string, number, integer, boolean, object, array and null, at `/properties/a~1b/type`",
            ),
            (
                r#"{"type":[]}"#,
                "`type` is one or some of string, number, integer, boolean, object, array and null, at `/type`",
            ),
            (r#"{"properties":[]}"#, "this keyword holds an object of schemas, at `/properties`"),
            (r#"{"items":7}"#, "a schema is an object, true or false, at `/items`"),
            (r#"{"anyOf":[]}"#, "a list of schemas has one at least, at `/anyOf`"),
            (r#"{"oneOf":{}}"#, "this keyword holds a list of schemas, at `/oneOf`"),
            (r#"{"required":["a",1]}"#, "`required` is a list of names, at `/required`"),
            (r#"{"enum":[]}"#, "`enum` is a list of one value at least, at `/enum`"),
            (r#"{"minItems":-1}"#, "this keyword is a whole number from 0, at `/minItems`"),
            (r#"{"minLength":5,"maxLength":4}"#, "nothing can be between a minimum and a smaller maximum, at `/`"),
            (
                r##"{"$ref":"#/$defs/none"}"##,
                "a reference points to a place in the same schema, as `#/$defs/name`, at `/$ref`",
            ),
            (
                r#"{"$ref":"https://a.example/schema"}"#,
                "a reference points to a place in the same schema, as `#/$defs/name`, at `/$ref`",
            ),
        ] {
            assert_eq!(complaint(json), expected, "{json}");
        }
        let deep = format!("{}{{}}{}", r#"{"not":"#.repeat(MAX_DEPTH), "}".repeat(MAX_DEPTH));
        assert!(complaint(&deep).starts_with("the schema is nested too deep"));
    }
}
