use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::refusal::Refusal;

/// The kinds of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// People.
    Contacts,
    /// Firms.
    Companies,
    /// Sales that may come.
    Deals,
}

/// One contact, company or deal. Times are milliseconds since 1970.
#[derive(Debug, Clone)]
pub struct Record {
    /// Unique within its kind.
    pub id: u64,
    /// When it was made.
    pub created: u64,
    /// When it was last changed.
    pub modified: u64,
    /// What it says, without the properties that HubSpot fills in itself.
    pub properties: BTreeMap<String, String>,
}

/// Somebody to whom records are assigned.
#[derive(Debug, Clone)]
pub struct Owner {
    /// What a record's `hubspot_owner_id` names.
    pub id: u64,
    /// Their address.
    pub email: String,
    /// When it was last changed.
    pub modified: u64,
}

/// Everything in one HubSpot account.
#[derive(Debug, Default)]
pub struct Portal {
    records: BTreeMap<Kind, BTreeMap<u64, Record>>,
    owners: BTreeMap<u64, Owner>,
    next_id: u64,
}

impl Kind {
    /// The kind that a path names.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "contacts" => Some(Self::Contacts),
            "companies" => Some(Self::Companies),
            "deals" => Some(Self::Deals),
            _ => None,
        }
    }

    /// As paths name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contacts => "contacts",
            Self::Companies => "companies",
            Self::Deals => "deals",
        }
    }

    /// The property that says when a record was last changed. Contacts have their own
    /// (docs/api-reference/search/guide, default properties).
    pub fn modified_property(self) -> &'static str {
        match self {
            Self::Contacts => "lastmodifieddate",
            Self::Companies | Self::Deals => "hs_lastmodifieddate",
        }
    }

    /// What is sent where nothing is asked for (docs/api-reference/search/guide, default properties).
    fn default_properties(self) -> &'static [&'static str] {
        match self {
            Self::Contacts => &["createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"],
            Self::Companies => &["name", "domain", "createdate", "hs_lastmodifieddate", "hs_object_id"],
            Self::Deals => &[
                "dealname",
                "amount",
                "closedate",
                "pipeline",
                "dealstage",
                "createdate",
                "hs_lastmodifieddate",
                "hs_object_id",
            ],
        }
    }

    /// What may be written.
    fn writable(self) -> &'static [&'static str] {
        match self {
            Self::Contacts => &[
                "email",
                "firstname",
                "lastname",
                "phone",
                "company",
                "website",
                "jobtitle",
                "lifecyclestage",
                "hubspot_owner_id",
            ],
            Self::Companies => {
                &["name", "domain", "phone", "city", "country", "industry", "description", "hubspot_owner_id"]
            }
            Self::Deals => {
                &["dealname", "amount", "closedate", "pipeline", "dealstage", "dealtype", "hubspot_owner_id"]
            }
        }
    }
}

impl Record {
    /// A property's value, those that HubSpot fills in included.
    pub fn property(&self, kind: Kind, name: &str) -> Option<String> {
        match name {
            "hs_object_id" => Some(self.id.to_string()),
            "createdate" => Some(iso(self.created)),
            _ if name == kind.modified_property() => Some(iso(self.modified)),
            _ => self.properties.get(name).cloned(),
        }
    }

    /// The record as the API sends it. Properties that were asked for and are not set are null.
    pub(super) fn shown(&self, kind: Kind, asked: &[String]) -> Value {
        let mut properties = Map::new();
        for name in kind.default_properties().iter().copied().chain(asked.iter().map(String::as_str)) {
            properties.insert(name.to_owned(), self.property(kind, name).map_or(Value::Null, Value::String));
        }
        json!({
            "id": self.id.to_string(),
            "properties": properties,
            "createdAt": iso(self.created),
            "updatedAt": iso(self.modified),
            "archived": false,
        })
    }
}

impl Owner {
    pub(super) fn shown(&self) -> Value {
        json!({
            "id": self.id.to_string(),
            "email": self.email,
            "type": "PERSON",
            "firstName": "Owner",
            "lastName": self.id.to_string(),
            "userId": self.id + 1,
            "createdAt": iso(self.modified),
            "updatedAt": iso(self.modified),
            "archived": false,
        })
    }
}

impl Portal {
    /// The records of a kind, by id.
    pub fn records(&self, kind: Kind) -> impl Iterator<Item = &Record> {
        self.records.get(&kind).into_iter().flat_map(BTreeMap::values)
    }

    /// One record.
    pub fn record(&self, kind: Kind, id: u64) -> Option<&Record> {
        self.records.get(&kind)?.get(&id)
    }

    /// The owners, by id.
    pub fn owners(&self) -> impl Iterator<Item = &Owner> {
        self.owners.values()
    }

    /// Puts a record in as it is, in place of one with its id.
    pub fn insert(&mut self, kind: Kind, record: Record) {
        self.next_id = self.next_id.max(record.id + 1);
        self.records.entry(kind).or_default().insert(record.id, record);
    }

    /// Puts an owner in.
    pub fn insert_owner(&mut self, owner: Owner) {
        self.owners.insert(owner.id, owner);
    }

    /// Changes a record as its user would: the properties, and when it was changed.
    pub fn touch(&mut self, kind: Kind, id: u64, property: (&str, &str), now: u64) {
        if let Some(record) = self.records.entry(kind).or_default().get_mut(&id) {
            record.properties.insert(property.0.to_owned(), property.1.to_owned());
            record.modified = now;
        }
    }

    /// Makes a record (docs/api-reference/crm-contacts-v3/guide, create).
    pub(super) fn create(
        &mut self,
        kind: Kind,
        properties: BTreeMap<String, String>,
        now: u64,
    ) -> Result<&Record, Refusal> {
        self.vet(kind, None, &properties)?;
        let id = self.next_id;
        self.insert(kind, Record { id, created: now, modified: now, properties });
        self.record(kind, id).ok_or_else(Refusal::not_found)
    }

    /// Changes a record (docs/api-reference/crm-contacts-v3/guide, update).
    pub(super) fn update(
        &mut self,
        kind: Kind,
        id: u64,
        properties: BTreeMap<String, String>,
        now: u64,
    ) -> Result<&Record, Refusal> {
        self.vet(kind, Some(id), &properties)?;
        let record = self.records.entry(kind).or_default().get_mut(&id).ok_or_else(Refusal::not_found)?;
        record.properties.extend(properties);
        record.modified = now;
        Ok(record)
    }

    /// Refuses properties that do not exist, an address that is none, and one that another contact has.
    fn vet(&self, kind: Kind, id: Option<u64>, properties: &BTreeMap<String, String>) -> Result<(), Refusal> {
        let unknown: Vec<Value> = properties
            .keys()
            .filter(|name| !kind.writable().contains(&name.as_str()))
            .map(|name| reason(name, "PROPERTY_DOESNT_EXIST", &format!("Property \"{name}\" does not exist")))
            .collect();
        if !unknown.is_empty() {
            return Err(Refusal::invalid_properties(&unknown));
        }
        let Some(email) = properties.get("email").filter(|_| kind == Kind::Contacts) else {
            return Ok(());
        };
        if !email.contains('@') {
            let text = format!("Email address {email} is invalid");
            return Err(Refusal::invalid_properties(&[reason("email", "INVALID_EMAIL", &text)]));
        }
        let taken = |other: &&Record| {
            Some(other.id) != id && other.properties.get("email").is_some_and(|e| e.eq_ignore_ascii_case(email))
        };
        self.records(kind).find(taken).map_or(Ok(()), |other| Err(Refusal::conflict(other.id)))
    }
}

fn reason(name: &str, error: &str, message: &str) -> Value {
    json!({"isValid": false, "message": message, "error": error, "name": name})
}

/// A moment as HubSpot writes it.
fn iso(millis: u64) -> String {
    let moment = i64::try_from(millis).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    moment.map_or_else(String::new, |moment| format!("{moment:.3}"))
}
