use std::cmp::Ordering;

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
    Compare(fn(Ordering) -> bool, Comparable),
    Between(Comparable, Comparable),
    In(Vec<Comparable>),
    Has,
    HasNot,
}

/// A property's value as it is compared: as a number or a moment where both are, else as text
/// without case: "values are case-insensitive" (docs/api-reference/search/guide). A moment may be
/// written as ISO 8601 or as milliseconds.
pub(super) struct Comparable {
    number: Option<f64>,
    text: String,
}

impl Filter {
    pub(super) fn parse(&self) -> Result<Condition, Refusal> {
        let test = match self.operator.as_str() {
            "EQ" => Test::Compare(Ordering::is_eq, self.needed()?),
            "NEQ" => Test::Compare(Ordering::is_ne, self.needed()?),
            "LT" => Test::Compare(Ordering::is_lt, self.needed()?),
            "LTE" => Test::Compare(Ordering::is_le, self.needed()?),
            "GT" => Test::Compare(Ordering::is_gt, self.needed()?),
            "GTE" => Test::Compare(Ordering::is_ge, self.needed()?),
            "BETWEEN" => Test::Between(self.needed()?, value(self.high_value.as_ref()).ok_or_else(|| self.lacks())?),
            "IN" => Test::In(self.values.iter().filter_map(|given| value(Some(given))).collect()),
            "HAS_PROPERTY" => Test::Has,
            "NOT_HAS_PROPERTY" => Test::HasNot,
            other => return Err(Refusal::invalid(format!("operator {other} is not supported"))),
        };
        Ok(Condition { property: self.property_name.clone(), test })
    }

    fn needed(&self) -> Result<Comparable, Refusal> {
        value(self.value.as_ref()).ok_or_else(|| self.lacks())
    }

    fn lacks(&self) -> Refusal {
        Refusal::invalid(format!("operator {} requires a value for {}", self.operator, self.property_name))
    }
}

impl Condition {
    pub(super) fn holds(&self, kind: Kind, record: &Record) -> bool {
        let value = record.property(kind, &self.property);
        let value = match (&self.test, value) {
            (Test::HasNot, value) => return value.is_none(),
            (Test::Has, value) => return value.is_some(),
            (_, None) => return false,
            (_, Some(value)) => Comparable::of(&value),
        };
        match &self.test {
            Test::Compare(holds, wanted) => holds(value.compare(wanted)),
            Test::Between(low, high) => value.compare(low).is_ge() && value.compare(high).is_le(),
            Test::In(wanted) => wanted.iter().any(|wanted| value.compare(wanted).is_eq()),
            Test::Has | Test::HasNot => true,
        }
    }
}

impl Comparable {
    pub(super) fn of(text: &str) -> Self {
        let moment = || text.parse::<jiff::Timestamp>().ok().map(|moment| moment.as_millisecond() as f64);
        Self { number: text.parse().ok().or_else(moment), text: text.to_lowercase() }
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match (self.number, other.number) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            _ => self.text.cmp(&other.text),
        }
    }
}

fn value(json: Option<&serde_json::Value>) -> Option<Comparable> {
    match json? {
        serde_json::Value::String(text) => Some(Comparable::of(text)),
        serde_json::Value::Number(number) => Some(Comparable::of(&number.to_string())),
        _ => None,
    }
}
