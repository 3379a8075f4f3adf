//! A JSON object whose values stay as they were written, so that what is passed on is what came:
//! numbers keep their digits, strings their escapes, fields their order.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error as _, MapAccess, Visitor},
};
use serde_json::value::{RawValue, to_raw_value};

/// The object. No name stands in it twice, so that nobody after us reads another value than we did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields(Vec<(String, Box<RawValue>)>);

/// The APIs that are spoken here have some forty; names are compared one by one.
const MAX_FIELDS: usize = 128;

impl Fields {
    pub(crate) fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| &**value)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), &**value))
    }

    /// Takes a field out. A `null` is a field that was not written.
    pub(crate) fn take(&mut self, name: &str) -> Option<Box<RawValue>> {
        let at = self.0.iter().position(|(own, _)| own == name)?;
        let (_, value) = self.0.remove(at);
        (!is_null(&value)).then_some(value)
    }

    /// Takes a field out and reads it.
    pub(crate) fn take_as<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, serde_json::Error> {
        self.take(name).map(|value| serde_json::from_str(value.get())).transpose()
    }

    /// Writes a field in place of an earlier one, which keeps its place.
    pub(crate) fn set<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), serde_json::Error> {
        let value = to_raw_value(value)?;
        match self.0.iter_mut().find(|(own, _)| own == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
        Ok(())
    }

    /// Removes every field that is `null`.
    pub(crate) fn drop_nulls(&mut self) {
        self.0.retain(|(_, value)| !is_null(value));
    }
}

fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Fields::default();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    if fields.get(&name).is_some() {
                        return Err(A::Error::custom(format_args!("the field `{}` stands twice", shortened(&name))));
                    }
                    if fields.0.len() == MAX_FIELDS {
                        return Err(A::Error::custom(format_args!("more than {MAX_FIELDS} fields")));
                    }
                    fields.0.push((name, value));
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// Somebody else's name for something, short enough for a message.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Fields, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn keeps_what_was_written_as_it_was_written() {
        let json = r#"{"b":1.50e2,"a":"\u00e9","c":{"x": [1, 2]},"d":null}"#;
        assert_eq!(serde_json::to_string(&read(json).unwrap()).unwrap(), json);
        let mut fields = read(json).unwrap();
        fields.set("b", &7).unwrap();
        fields.set("e", "new").unwrap();
        assert_eq!(fields.take_as::<String>("a").unwrap().as_deref(), Some("é"));
        assert!(fields.take("d").is_none() && fields.take("d").is_none());
        assert_eq!(serde_json::to_string(&fields).unwrap(), r#"{"b":7,"c":{"x": [1, 2]},"e":"new"}"#);
    }

    #[test]
    fn refuses_two_values_for_one_name_and_more_than_are_looked_through() {
        assert!(read(r#"{"a":1,"\u0061":2}"#).unwrap_err().to_string().starts_with("the field `a` stands twice"));
        let many = |n: usize| {
            let fields: Vec<String> = (0..n).map(|i| format!("\"f{i}\":0")).collect();
            read(&format!("{{{}}}", fields.join(",")))
        };
        assert!(many(MAX_FIELDS).is_ok() && many(MAX_FIELDS + 1).is_err());
        for json in ["[]", "1", "null", "{", r#"{"a":}"#] {
            assert!(read(json).is_err(), "{json}");
        }
    }
}
