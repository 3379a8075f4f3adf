/// A kind of record that can be searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Object {
    Contacts,
    Companies,
    Deals,
}

impl Object {
    pub(crate) const ALL: [Self; 3] = [Self::Contacts, Self::Companies, Self::Deals];

    pub(crate) fn of_stream(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|object| object.as_str() == name)
    }

    /// As streams and paths name it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Contacts => "contacts",
            Self::Companies => "companies",
            Self::Deals => "deals",
        }
    }

    /// The property that says when a record was last changed. Contacts have their own
    /// (docs/api-reference/search/guide, default properties).
    pub(crate) fn modified_property(self) -> &'static str {
        match self {
            Self::Contacts => "lastmodifieddate",
            Self::Companies | Self::Deals => "hs_lastmodifieddate",
        }
    }

    /// What is read where the connection does not say: what most accounts fill in.
    pub(crate) fn default_properties(self) -> &'static [&'static str] {
        match self {
            Self::Contacts => &[
                "email",
                "firstname",
                "lastname",
                "phone",
                "company",
                "jobtitle",
                "lifecyclestage",
                "hubspot_owner_id",
                "createdate",
            ],
            Self::Companies => {
                &["name", "domain", "phone", "city", "country", "industry", "hubspot_owner_id", "createdate"]
            }
            Self::Deals => &[
                "dealname",
                "amount",
                "closedate",
                "pipeline",
                "dealstage",
                "dealtype",
                "hubspot_owner_id",
                "createdate",
            ],
        }
    }
}
