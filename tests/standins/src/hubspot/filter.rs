use serde::Deserialize;

use super::{
    portal::{Kind, Record},
    refusal::Refusal,
};

/// Conditions that hold together; a record matches a search where one group does
/// (docs/api-reference/search/guide, "filter search results").
#[derive(Debug, Deserialize)]
pub(super) struct Group {
    pub(super) filters: Vec<Filter>,
}

/// One condition on one property.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Filter {
    property_name: String,
    operator: String,
    #[serde(default)]
    value: Option<serde_json::Value>,
    #[serde(default)]
    high_value: Option<serde_json::Value>,
    #[serde(default)]
    values: Vec<serde_json::Value>,
}

/// A condition that was understood.
pub(super) struct Condition {
    property: String,
    test: Test,
}

enum Test {
    Compare(fn(std::cmp::Ordering) -> bool, String),
    Between(String, String),
    In(Vec<String>),
    Has,
    HasNot,
}

impl Filter {
    pub(super) fn parse(&self) -> Result<Condition, Refusal> {
        let test = match self.operator.as_str() {
            "EQ" => Test::Compare(std::cmp::Ordering::is_eq, self.needed()?),
            "NEQ" => Test::Compare(std::cmp::Ordering::is_ne, self.needed()?),
            "LT" => Test::Compare(std::cmp::Ordering::is_lt, self.needed()?),
            "LTE" => Test::Compare(std::cmp::Ordering::is_le, self.needed()?),
            "GT" => Test::Compare(std::cmp::Ordering::is_gt, self.needed()?),
            "GTE" => Test::Compare(std::cmp::Ordering::is_ge, self.needed()?),
            "BETWEEN" => Test::Between(self.needed()?, text(self.high_value.as_ref()).ok_or_else(|| self.lacks())?),
            "IN" => Test::In(self.values.iter().filter_map(|value| text(Some(value))).collect()),
            "HAS_PROPERTY" => Test::Has,
            "NOT_HAS_PROPERTY" => Test::HasNot,
            other => return Err(Refusal::invalid(format!("operator {other} is not supported"))),
        };
        Ok(Condition { property: self.property_name.clone(), test })
    }

    fn needed(&self) -> Result<String, Refusal> {
        text(self.value.as_ref()).ok_or_else(|| self.lacks())
    }

    fn lacks(&self) -> Refusal {
        Refusal::invalid(format!("operator {} requires a value for {}", self.operator, self.property_name))
    }
}

impl Condition {
    pub(super) fn holds(&self, kind: Kind, record: &Record) -> bool {
        let value = record.property(kind, &self.property);
        match (&self.test, value) {
            (Test::HasNot, value) => value.is_none(),
            (Test::Has, value) => value.is_some(),
            (_, None) => false,
            (Test::Compare(holds, wanted), Some(value)) => holds(compare(&value, wanted)),
            (Test::Between(low, high), Some(value)) => compare(&value, low).is_ge() && compare(&value, high).is_le(),
            (Test::In(wanted), Some(value)) => wanted.iter().any(|wanted| compare(&value, wanted).is_eq()),
        }
    }
}

/// Compares as numbers or as moments where both are, else as text without case: "values are
/// case-insensitive" (docs/api-reference/search/guide). A moment may be written as ISO 8601 or as
/// milliseconds.
pub(super) fn compare(a: &str, b: &str) -> std::cmp::Ordering {
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => a.to_lowercase().cmp(&b.to_lowercase()),
    }
}

fn number(text: &str) -> Option<f64> {
    let moment = || text.parse::<jiff::Timestamp>().ok().map(|t| t.as_millisecond() as f64);
    text.parse().ok().or_else(moment)
}

fn text(value: Option<&serde_json::Value>) -> Option<String> {
    match value? {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
