//! `src/bindings/*.rs` is what wit-bindgen makes of `wit/`. It is kept in the tree, so that a
//! guest's build needs no generator, and this test holds it to the contract.
//! `UPDATE=1 cargo test -p sophia-sdk --test bindings` writes it anew.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::{env, fs, path::Path};

use wit_bindgen_core::{Files, WorldGenerator, wit_parser::Resolve};
use wit_bindgen_rust::{Opts, WithOption};

/// Interfaces that worlds share are generated once, for `connector`.
const SHARED_WITH_POLICIES: &[&str] = &["types", "config", "log"];
const SHARED_WITH_PATTERNS: &[&str] = &["types", "config", "log", "clock", "random"];

#[test]
fn connector_bindings_are_those_of_the_contract() {
    check("connector", Opts { generate_all: true, ..Opts::default() });
}

#[test]
fn routing_policy_bindings_are_those_of_the_contract() {
    check("routing-policy", Opts { with: of_connector(SHARED_WITH_POLICIES), ..Opts::default() });
}

#[test]
fn pattern_bindings_are_those_of_the_contract() {
    check("pattern", Opts { with: of_connector(SHARED_WITH_PATTERNS), generate_all: true, ..Opts::default() });
}

fn of_connector(shared: &[&str]) -> Vec<(String, WithOption)> {
    let path = |name| format!("crate::bindings::connector::sophia::plugin::{name}");
    shared.iter().map(|name| (format!("sophia:plugin/{name}@0.1.0"), WithOption::Path(path(name)))).collect()
}

fn check(world: &str, opts: Opts) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let module = world.replace('-', "_");
    let generated = generate(&root.join("../../wit"), world, &module, opts);
    let path = root.join("src/bindings").join(format!("{module}.rs"));
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == generated, "{} is not what wit/ says: run this test with UPDATE=1", path.display());
}

fn generate(wit: &Path, world: &str, module: &str, opts: Opts) -> String {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit).unwrap();
    let id = resolve.select_world(&[package], Some(world)).unwrap();
    let opts = Opts {
        format: true,
        pub_export_macro: true,
        export_macro_name: Some(format!("export_{module}")),
        default_bindings_module: Some(format!("::sophia_sdk::bindings::{module}")),
        runtime_path: Some("::wit_bindgen::rt".into()),
        additional_derive_attributes: vec!["PartialEq".into()],
        // It holds a resource, which is equal to nothing.
        additional_derive_ignore: vec!["streamed-response".into()],
        ..opts
    };
    let mut files = Files::default();
    opts.build().generate(&mut resolve, id, &mut files).unwrap();
    let (_, text) = files.iter().next().unwrap();
    let text = String::from_utf8(text.to_vec()).unwrap();
    // Exported macros share one name space in a crate, and each world has an `about`.
    text.replace("__export_sophia_plugin_", &format!("__export_{module}_"))
}
