use super::{Complaint, File};

/// The workspaces whose members take versions and lints from the root manifest.
const HOST: [&str; 3] = ["host/", "xtask/", "tests/"];
const SECTIONS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// Versions stand in the root manifest only, and every crate of the host has the shared lints.
pub(super) fn check(file: &File) -> Vec<Complaint> {
    let is_member = HOST.iter().any(|root| file.path.starts_with(root)) && !file.path.starts_with("tests/guests/");
    if !is_member || !file.path.ends_with("/Cargo.toml") {
        return Vec::new();
    }
    let Ok(manifest) = file.text.parse::<toml::Table>() else {
        return vec![Complaint::new(file, 0, "is no TOML")];
    };
    let mut complaints = Vec::new();
    if !is_from_workspace(manifest.get("lints")) {
        complaints.push(Complaint::new(file, 0, "take the lints of the workspace: `[lints] workspace = true`"));
    }
    for section in SECTIONS {
        for (name, dependency) in manifest.get(section).and_then(toml::Value::as_table).into_iter().flatten() {
            if !is_from_workspace(Some(dependency)) {
                let what =
                    format!("`{name}`: its version belongs in the root manifest, here `{name}.workspace = true`");
                complaints.push(Complaint::new(file, 0, what));
            }
        }
    }
    complaints
}

fn is_from_workspace(value: Option<&toml::Value>) -> bool {
    value.and_then(|value| value.get("workspace")?.as_bool()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, text: &str) -> Vec<String> {
        check(&File::new(path, text)).into_iter().map(|c| c.what).collect()
    }

    #[test]
    fn versions_and_lints_come_from_the_root() {
        let good = "[lints]\nworkspace = true\n[dependencies]\na.workspace = true\nb = { workspace = true }\n";
        assert!(complaints("host/a/Cargo.toml", good).is_empty());
        let bad =
            complaints("host/a/Cargo.toml", "[dependencies]\na = \"1\"\n[dev-dependencies]\nb = { version = \"1\" }\n");
        assert!(bad[0].contains("lints") && bad[1].contains("`a`") && bad[2].contains("`b`"), "{bad:?}");
    }

    #[test]
    fn guests_have_versions_of_their_own() {
        assert!(complaints("plugins/connectors/a/Cargo.toml", "[dependencies]\na = \"1\"\n").is_empty());
        assert!(complaints("tests/guests/rust/Cargo.toml", "[dependencies]\na = \"1\"\n").is_empty());
    }
}
