//! What can be done: create and update (docs/api-reference/crm-contacts-v3/guide; companies and
//! deals alike).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sophia_sdk::{
    Error, Json,
    http::{self, Request},
};

use crate::{API, object::Object};

/// An action by name: a verb and one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Action {
    pub(crate) verb: Verb,
    pub(crate) object: Object,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Create,
    Update,
}

/// Values pass as they came: HubSpot says what each property takes.
type Properties = BTreeMap<String, Box<RawValue>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    properties: Properties,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    id: String,
    properties: Properties,
}

#[derive(Serialize)]
struct Body {
    properties: Properties,
}

impl Action {
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let (verb, object) = name.split_once('-')?;
        let verb = match verb {
            "create" => Verb::Create,
            "update" => Verb::Update,
            _ => return None,
        };
        let object = match object {
            "contact" => Object::Contacts,
            "company" => Object::Companies,
            "deal" => Object::Deals,
            _ => return None,
        };
        Some(Self { verb, object })
    }

    pub(crate) fn request(self, arguments: &Json) -> Result<Request, Error> {
        let url = format!("{API}/objects/{}", self.object.as_str());
        match self.verb {
            Verb::Create => {
                let Create { properties } = arguments.parse()?;
                http::post(url).json(&Body { properties })
            }
            Verb::Update => {
                let Update { id, properties } = arguments.parse()?;
                // It becomes part of a path.
                if id.is_empty() || !id.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(Error::Invalid("an id is digits only".to_owned()));
                }
                http::patch(format!("{url}/{id}")).json(&Body { properties })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(name: &str, arguments: &'static str) -> Result<Request, Error> {
        Action::of_name(name).unwrap().request(&Json::literal(arguments))
    }

    #[test]
    fn becomes_one_request() {
        for (name, arguments, line, body) in [
            (
                "create-contact",
                r#"{"properties":{"email":"a@b.c"}}"#,
                "POST https://api.hubapi.com/crm/v3/objects/contacts",
                r#"{"properties":{"email":"a@b.c"}}"#,
            ),
            (
                "create-deal",
                r#"{"properties":{"amount": 1.50}}"#,
                "POST https://api.hubapi.com/crm/v3/objects/deals",
                r#"{"properties":{"amount":1.50}}"#,
            ),
            (
                "update-company",
                r#"{"id":"42","properties":{"name":null}}"#,
                "PATCH https://api.hubapi.com/crm/v3/objects/companies/42",
                r#"{"properties":{"name":null}}"#,
            ),
        ] {
            let request = request(name, arguments).unwrap();
            assert_eq!(format!("{} {}", request.method(), request.url()), line);
            assert_eq!(request.body_bytes(), Some(body.as_bytes()));
        }
    }

    #[test]
    fn refuses_arguments_before_anything_is_sent() {
        for (name, arguments) in [
            ("create-contact", "{}"),
            ("create-contact", r#"{"email":"a@b.c"}"#),
            ("update-contact", r#"{"properties":{}}"#),
            ("update-contact", r#"{"id":"../../owners","properties":{}}"#),
            ("update-contact", r#"{"id":"","properties":{}}"#),
            ("update-contact", r#"{"id":7,"properties":{}}"#),
        ] {
            assert!(matches!(request(name, arguments), Err(Error::Invalid(_))), "{name} {arguments}");
        }
        for name in ["delete-contact", "create-owner", "create", ""] {
            assert_eq!(Action::of_name(name), None);
        }
    }
}
