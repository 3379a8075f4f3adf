//! Which properties of a record are read.

use sophia_sdk::Error;

use crate::object::Object;

/// Characters of property names in one request. A search's query may have 3,000 in all
/// (docs/api-reference/search/guide, limits), of which the filters take some 400; a list takes
/// more, and is held to the same.
const MAX_CHUNK_CHARS: usize = 2_400;

/// As many requests as the host sends at once.
const MAX_CHUNKS: usize = 64;

/// The names, in as many parts as there must be requests; each part has the property by which
/// records are ordered. `configured` is the connection's own list, separated by commas.
pub(crate) fn chunks(object: Object, configured: Option<&str>) -> Result<Vec<Vec<String>>, Error> {
    let always = object.modified_property();
    let own = configured.map(|list| list.split(',').map(str::trim).filter(|name| !name.is_empty()));
    let names: Vec<&str> = match own {
        Some(names) => names.collect(),
        None => object.default_properties().to_vec(),
    };
    let mut chunks = vec![vec![always.to_owned()]];
    let mut chars = always.len();
    for name in names.into_iter().filter(|name| *name != always) {
        vet(name)?;
        // Quotes and a comma stand around it.
        chars += name.len() + 3;
        if chars > MAX_CHUNK_CHARS {
            chunks.push(vec![always.to_owned()]);
            chars = always.len() + name.len() + 3;
        }
        if let Some(chunk) = chunks.last_mut() {
            chunk.push(name.to_owned());
        }
    }
    if chunks.len() > MAX_CHUNKS {
        return Err(Error::Invalid(format!("hubspot.properties.{}: too many properties", object.as_str())));
    }
    Ok(chunks)
}

/// Names are lower-case letters, digits and underscores (docs/api-reference/crm-properties-v3/guide).
fn vet(name: &str) -> Result<(), Error> {
    let is_name = name.len() <= 100 && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if is_name { Ok(()) } else { Err(Error::Invalid(format!("`{name}` is no property of HubSpot"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_for_what_the_connection_says() {
        let chunks = |configured| chunks(Object::Contacts, configured).unwrap();
        assert_eq!(chunks(Some(" email, phone,,lastmodifieddate ")), [["lastmodifieddate", "email", "phone"]]);
        assert_eq!(chunks(Some("")), [["lastmodifieddate"]]);
        assert!(chunks(None).concat().contains(&"email".to_owned()));
    }

    #[test]
    fn splits_a_long_list() {
        let names: Vec<String> = (0..300).map(|n| format!("property_with_a_long_name_{n:03}")).collect();
        let chunks = chunks(Object::Deals, Some(&names.join(","))).unwrap();
        assert!(chunks.len() > 1);
        for chunk in &chunks {
            assert_eq!(chunk.first().map(String::as_str), Some("hs_lastmodifieddate"));
            assert!(serde_json::to_string(chunk).unwrap().len() <= MAX_CHUNK_CHARS + 30);
        }
        let all: Vec<String> = chunks.into_iter().flat_map(|chunk| chunk.into_iter().skip(1)).collect();
        assert_eq!(all, names);
    }

    #[test]
    fn refuses_what_is_no_name() {
        for bad in ["Email", "a b", "a\"", "ä"] {
            assert!(matches!(chunks(Object::Contacts, Some(bad)), Err(Error::Invalid(_))), "{bad}");
        }
        let many = vec!["p".repeat(100); 64 * 24].join(",");
        assert!(matches!(chunks(Object::Contacts, Some(&many)), Err(Error::Invalid(_))));
    }
}
