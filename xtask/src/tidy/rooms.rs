//! Who may name whom. The order of the rooms and the owners of the dependencies are the design's.

use serde::Deserialize;

use super::{Complaint, File};

/// Lower rooms first; a room may use only rooms of an earlier line.
const ORDER: [&[&str]; 12] = [
    &["sophia-domain"],
    &["sophia-store"],
    &["sophia-identity"],
    &["sophia-ledger"],
    &["sophia-vault"],
    &["sophia-egress"],
    &["sophia-memory"],
    &["sophia-models"],
    &["sophia-sandbox"],
    &["sophia-registry"],
    &["sophia-runs", "sophia-sync"],
    &["sophia"],
];

/// Packages that stand beside the house and may use any room.
const BESIDE: [&str; 7] =
    ["xtask", "bare-hyper", "model-load", "standin", "sophia-tests", "sophia-servers", "sophia-standins"];

/// A dependency (or all that start so, with `*`) and the only packages that may name it.
const OWNERS: [(&str, &[&str]); 8] = [
    ("wasmtime*", &["sophia-sandbox"]),
    ("sqlx*", &["sophia-store"]),
    ("rusqlite", &["sophia-store"]),
    ("redis", &["sophia-store"]),
    ("object_store", &["sophia-store"]),
    // `sophia` for its command line, which is a client of a node, and for the span exporter.
    ("reqwest", &["sophia-egress", "sophia", "sophia-tests", "sophia-standins"]),
    ("ureq", &["xtask"]),
    // The guests' SDK and the host share only `wit/`.
    ("sophia-sdk", &[]),
];

/// Plain types without I/O: the lowest room names nothing that waits.
const NO_IO: [&str; 5] = ["tokio", "hyper", "axum", "futures", "rustix"];

/// What `cargo metadata --no-deps` says, as far as it matters here.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    pub(super) packages: Vec<Package>,
}

/// A package of a workspace.
#[derive(Debug, Deserialize)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) manifest_path: String,
    pub(super) dependencies: Vec<Dependency>,
}

/// A dependency that a package names itself.
#[derive(Debug, Deserialize)]
pub(super) struct Dependency {
    pub(super) name: String,
    pub(super) kind: Option<String>,
}

/// The rooms' order, and who owns which dependency.
pub(super) fn check_host(packages: &[Package]) -> Vec<Complaint> {
    packages.iter().flat_map(|package| package.dependencies.iter().filter_map(|on| check_one(package, on))).collect()
}

/// A guest knows the contract and the SDK, and nothing of the host.
pub(super) fn check_guests(packages: &[Package]) -> Vec<Complaint> {
    let names = |package: &Package| {
        let host =
            package.dependencies.iter().find(|on| rank(&on.name).is_some() || BESIDE.contains(&on.name.as_str()))?;
        Some(complaint(package, &host.name, "guest and host share only `wit/`"))
    };
    packages.iter().filter_map(names).collect()
}

/// Who seals and opens: the vault, and below it the audit chain, whose old entries are no secrets.
const SEALERS: [&str; 2] = ["host/vault/", "host/identity/src/audit/keys.rs"];

/// What the graph cannot show: only the vault seals and opens what is secret.
pub(super) fn check_source(file: &File) -> Vec<Complaint> {
    let is_sealer = SEALERS.iter().any(|place| file.path.starts_with(place));
    if !file.path.starts_with("host/") || is_sealer || !file.path.ends_with(".rs") {
        return Vec::new();
    }
    let code = |line: &str| line.split("//").next().unwrap_or_default().contains("aead");
    let lines = file.text.lines().enumerate().filter(|(_, line)| code(line));
    lines
        .map(|(at, _)| Complaint::new(file, at + 1, "only the vault seals and opens: `aead` belongs to host/vault"))
        .collect()
}

fn check_one(package: &Package, on: &Dependency) -> Option<Complaint> {
    let is_for_tests = on.kind.as_deref() == Some("dev");
    if let Some(why) = wrong_direction(package, on, is_for_tests) {
        return Some(complaint(package, &on.name, &why));
    }
    let (_, owners) = OWNERS.iter().find(|(name, _)| matches_name(name, &on.name))?;
    if is_for_tests || owners.contains(&package.name.as_str()) {
        return None;
    }
    let why = match owners {
        [] => "no package of the host may name it".to_owned(),
        owners => format!("only {} may name it", owners.join(", ")),
    };
    Some(complaint(package, &on.name, &why))
}

fn wrong_direction(package: &Package, on: &Dependency, is_for_tests: bool) -> Option<String> {
    if BESIDE.contains(&package.name.as_str()) {
        return None;
    }
    let Some(own) = rank(&package.name) else {
        return Some(format!("`{}` is no room of the house: give it its place in the order", package.name));
    };
    if own == 0 && NO_IO.contains(&on.name.as_str()) {
        return Some("the domain is plain types without I/O".to_owned());
    }
    if BESIDE.contains(&on.name.as_str()) && !is_for_tests {
        return Some("a room may use it in its tests only".to_owned());
    }
    (rank(&on.name)? >= own)
        .then(|| "imports point the other way: the lower room owns a port, `sophia` wires it".to_owned())
}

fn rank(name: &str) -> Option<usize> {
    ORDER.iter().position(|rooms| rooms.contains(&name))
}

fn matches_name(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or_else(|| pattern == name, |start| name.starts_with(start))
}

fn complaint(package: &Package, on: &str, why: &str) -> Complaint {
    Complaint { path: package.manifest_path.clone(), line: 0, what: format!("`{}` names `{on}`: {why}", package.name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, on: &str, kind: Option<&str>) -> Vec<Package> {
        let dependencies = vec![Dependency { name: on.to_owned(), kind: kind.map(str::to_owned) }];
        vec![Package { name: name.to_owned(), manifest_path: String::new(), dependencies }]
    }

    fn host(name: &str, on: &str) -> bool {
        check_host(&package(name, on, None)).is_empty()
    }

    #[test]
    fn imports_point_one_way() {
        for (name, on, expected) in [
            ("sophia-store", "sophia-domain", true),
            ("sophia-egress", "sophia-vault", true),
            ("sophia", "sophia-registry", true),
            ("sophia-tests", "sophia-sandbox", true),
            ("sophia-domain", "sophia-store", false),
            ("sophia-vault", "sophia-egress", false),
            ("sophia-sandbox", "sophia-registry", false),
            ("sophia-sync", "sophia-runs", false),
            ("sophia-cellar", "serde", false),
            ("sophia-domain", "tokio", false),
            ("sophia-store", "sophia-standins", false),
        ] {
            assert_eq!(host(name, on), expected, "{name} → {on}");
        }
        assert!(check_host(&package("sophia-egress", "sophia-standins", Some("dev"))).is_empty());
        assert!(!check_host(&package("sophia-egress", "sophia-sandbox", Some("dev"))).is_empty());
    }

    #[test]
    fn each_owned_dependency_turns_red_elsewhere() {
        for (owned, owners) in OWNERS {
            let name = owned.replace('*', "-wasi");
            assert!(!host("sophia-identity", &name), "{name}");
            for owner in owners {
                assert!(host(owner, &name), "{owner} → {name}");
            }
        }
        assert!(!host("sophia-tests", "wasmtime") && !host("xtask", "reqwest"));
    }

    #[test]
    fn guests_know_nothing_of_the_host() {
        assert!(check_guests(&package("hubspot", "sophia-sdk", None)).is_empty());
        assert!(!check_guests(&package("hubspot", "sophia-domain", None)).is_empty());
        assert!(!check_guests(&package("hubspot", "sophia-standins", Some("dev"))).is_empty());
    }

    #[test]
    fn only_the_vault_seals() {
        let line = "use ring::{aead, hmac};\n";
        assert!(check_source(&File::new("host/vault/src/seal.rs", line)).is_empty());
        assert!(check_source(&File::new("host/store/src/a.rs", "// aead is the vault's\n")).is_empty());
        assert!(check_source(&File::new("host/identity/src/audit/keys.rs", line)).is_empty());
        assert_eq!(check_source(&File::new("host/store/src/a.rs", line)).len(), 1);
        assert_eq!(check_source(&File::new("host/identity/src/key.rs", line)).len(), 1);
    }
}
