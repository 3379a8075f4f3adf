//! What the connector offers, for people and tools.

use sophia_sdk::{Description, Json, Operation, Stream};

/// A schema that is written once and holds what a kind of record is known by.
macro_rules! arguments {
    (create $properties:literal) => {
        Json::literal(concat!(
            r#"{"type":"object","properties":{"properties":{"type":"object","minProperties":1,"properties":"#,
            $properties,
            r#"}},"required":["properties"],"additionalProperties":false}"#
        ))
    };
    (update $properties:literal) => {
        Json::literal(concat!(
            r#"{"type":"object","properties":{"id":{"type":"string","pattern":"^[0-9]+$"},"#,
            r#""properties":{"type":"object","minProperties":1,"properties":"#,
            $properties,
            r#"}},"required":["id","properties"],"additionalProperties":false}"#
        ))
    };
}

macro_rules! contact {
    ($verb:ident) => {
        arguments!($verb r#"{"email":{"type":"string","format":"email"},"firstname":{"type":"string"},"lastname":{"type":"string"},"phone":{"type":"string"},"company":{"type":"string"},"jobtitle":{"type":"string"},"lifecyclestage":{"type":"string"},"hubspot_owner_id":{"type":"string"}}"#)
    };
}

macro_rules! company {
    ($verb:ident) => {
        arguments!($verb r#"{"name":{"type":"string"},"domain":{"type":"string"},"phone":{"type":"string"},"city":{"type":"string"},"country":{"type":"string"},"industry":{"type":"string"},"hubspot_owner_id":{"type":"string"}}"#)
    };
}

macro_rules! deal {
    ($verb:ident) => {
        arguments!($verb r#"{"dealname":{"type":"string"},"amount":{"type":["string","number"]},"closedate":{"type":"string"},"pipeline":{"type":"string"},"dealstage":{"type":"string"},"hubspot_owner_id":{"type":"string"}}"#)
    };
}

const CONFIGURATION: Json = Json::literal(
    r#"{"type":"object","properties":{
"hubspot.properties.contacts":{"type":"string","description":"Properties to read, separated by commas."},
"hubspot.properties.companies":{"type":"string","description":"Properties to read, separated by commas."},
"hubspot.properties.deals":{"type":"string","description":"Properties to read, separated by commas."}}}"#,
);

const RECORD: Json = Json::literal(
    r#"{"type":"object","properties":{"id":{"type":"string"},"properties":{"type":"object"},
"createdAt":{"type":"string","format":"date-time"},"updatedAt":{"type":"string","format":"date-time"},
"archived":{"type":"boolean"}},"required":["id","properties"]}"#,
);

const OWNER: Json = Json::literal(
    r#"{"type":"object","properties":{"id":{"type":"string"},"email":{"type":"string"},
"firstName":{"type":"string"},"lastName":{"type":"string"},"userId":{"type":"integer"}},"required":["id"]}"#,
);

const CREATED: Json = Json::literal(r#"{"properties":{"email":"ada@example.com","firstname":"Ada"}}"#);
const UPDATED: Json = Json::literal(r#"{"id":"512","properties":{"dealstage":"closedwon"}}"#);

pub(crate) fn describe() -> Description {
    Description {
        title: "HubSpot",
        summary: "Reads contacts, companies, deals and owners of a HubSpot account, first all of them and then what \
                  changed; creates and updates records.",
        configuration: Some(CONFIGURATION),
        operations: vec![
            operation(
                "create-contact",
                "Creates a contact. HubSpot refuses a second with the same email.",
                contact!(create),
                Some(CREATED),
            ),
            operation(
                "update-contact",
                "Sets properties of a contact. Doing it twice changes nothing more.",
                contact!(update),
                None,
            ),
            operation("create-company", "Creates a company. Doing it twice makes two.", company!(create), None),
            operation(
                "update-company",
                "Sets properties of a company. Doing it twice changes nothing more.",
                company!(update),
                None,
            ),
            operation("create-deal", "Creates a deal. Doing it twice makes two.", deal!(create), None),
            operation(
                "update-deal",
                "Sets properties of a deal. Doing it twice changes nothing more.",
                deal!(update),
                Some(UPDATED),
            ),
        ],
        streams: vec![
            stream("contacts", "People.", RECORD, Some("properties.lastmodifieddate")),
            stream("companies", "Firms.", RECORD, Some("properties.hs_lastmodifieddate")),
            stream("deals", "Sales that may come.", RECORD, Some("properties.hs_lastmodifieddate")),
            stream("owners", "Users to whom records are assigned. Always read whole.", OWNER, None),
        ],
    }
}

fn operation(name: &'static str, summary: &'static str, arguments: Json, example: Option<Json>) -> Operation {
    Operation { name, summary, arguments, outcome: RECORD, example }
}

fn stream(name: &'static str, summary: &'static str, schema: Json, cursor_field: Option<&'static str>) -> Stream {
    Stream { name, summary, schema, primary_key: vec!["id"], cursor_field }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{action::Action, object::Object, owners};

    #[test]
    fn offers_what_it_can_do() {
        let description = describe();
        for operation in &description.operations {
            let action = Action::of_name(operation.name).expect(operation.name);
            for schema in [&operation.arguments, &operation.outcome] {
                assert_eq!(schema.parse::<Value>().unwrap()["type"], "object", "{}", operation.name);
            }
            if let Some(example) = &operation.example {
                action.request(example).unwrap();
            }
        }
        for stream in &description.streams {
            assert!(Object::of_stream(stream.name).is_some() || stream.name == owners::STREAM);
            assert!(stream.schema.parse::<Value>().unwrap()["properties"]["id"].is_object());
        }
        assert!(description.configuration.unwrap().parse::<Value>().is_ok());
    }
}
