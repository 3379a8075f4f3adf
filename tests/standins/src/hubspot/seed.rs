use std::collections::BTreeMap;

use super::portal::{Kind, Owner, Portal, Record};

/// What a portal holds from the start. The same seed makes the same portal.
#[derive(Debug, Clone, Default)]
pub struct Seed {
    /// Contacts, batch by batch.
    pub contacts: Vec<Batch>,
    /// Companies, batch by batch.
    pub companies: Vec<Batch>,
    /// Deals, batch by batch.
    pub deals: Vec<Batch>,
    /// How many owners.
    pub owners: u64,
}

/// Records that were last changed at regular moments, or all at one, as an import does it.
#[derive(Debug, Clone, Copy)]
pub struct Batch {
    /// How many.
    pub count: u64,
    /// When the first was changed, milliseconds since 1970.
    pub from: u64,
    /// Milliseconds to the next; 0 for all at the same moment.
    pub every: u64,
}

/// 2025-01-01T00:00:00Z, when the seeds begin.
const EPOCH: u64 = 1_735_689_600_000;

/// A prime larger than any batch is long in practice, so that a step of it visits every place once.
/// HubSpot's ids do not follow the order of changes, and a reader must not count on it.
const STRIDE: u64 = 1_000_003;

impl Batch {
    /// One every second, from the beginning of 2025.
    pub fn spread(count: u64) -> Self {
        Self { count, from: EPOCH, every: 1_000 }
    }

    /// All at one moment, a day later.
    pub fn at_once(count: u64) -> Self {
        Self { count, from: EPOCH + 86_400_000, every: 0 }
    }

    fn records(self, first_id: u64) -> impl Iterator<Item = Record> {
        (0..self.count).map(move |place| {
            let id = first_id + (place * STRIDE) % self.count;
            let modified = self.from + place * self.every;
            Record { id, created: self.from, modified, properties: BTreeMap::new() }
        })
    }
}

impl Seed {
    /// A small account: a few hundred records, some of them imported at one moment.
    pub fn small() -> Self {
        Self {
            contacts: vec![Batch::spread(230), Batch::at_once(120)],
            companies: vec![Batch::spread(130)],
            deals: vec![Batch::spread(110)],
            owners: 7,
        }
    }

    pub(super) fn portal(&self) -> Portal {
        let mut portal = Portal::default();
        let mut first_id = 101;
        for (kind, batches) in
            [(Kind::Contacts, &self.contacts), (Kind::Companies, &self.companies), (Kind::Deals, &self.deals)]
        {
            for batch in batches {
                batch.records(first_id).for_each(|record| portal.insert(kind, named(kind, record)));
                first_id += batch.count;
            }
        }
        for place in 0..self.owners {
            let id = 40_000_001 + place;
            portal.insert_owner(Owner { id, email: format!("owner{place}@example.com"), modified: EPOCH });
        }
        portal
    }
}

/// Gives a record what its kind is known by.
fn named(kind: Kind, mut record: Record) -> Record {
    let id = record.id;
    let properties: &[(&str, String)] = match kind {
        Kind::Contacts => &[
            ("email", format!("contact{id}@example.com")),
            ("firstname", "Contact".into()),
            ("lastname", id.to_string()),
        ],
        Kind::Companies => &[("name", format!("Company {id}")), ("domain", format!("company{id}.example.com"))],
        Kind::Deals => &[
            ("dealname", format!("Deal {id}")),
            ("amount", (id * 10).to_string()),
            ("pipeline", "default".into()),
            ("dealstage", "appointmentscheduled".into()),
        ],
    };
    record.properties.extend(properties.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    record
}
