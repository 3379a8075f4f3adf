//! The contract: `wit/` as it resolves, held by a snapshot, so that no change to it goes
//! unnoticed; and every item of it documented.

use std::path::{Path, PathBuf};

use expect_test::expect_file;
use wit_component::WitPrinter;
use wit_parser::{PackageId, Resolve, TypeDefKind};

fn wit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")
}

fn resolved() -> (Resolve, PackageId) {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(wit()).expect("wit/ resolves");
    (resolve, package)
}

#[test]
fn is_what_was_agreed() {
    let (resolve, package) = resolved();
    let mut printer = WitPrinter::default();
    // Comments may be mended at any time; the snapshot holds what binds.
    printer.emit_docs(false);
    printer.print(&resolve, package, &[]).expect("wit/ prints");
    expect_file!["contract.wit"].assert_eq(&printer.output.to_string());
}

#[test]
fn documents_every_item() {
    let (resolve, _) = resolved();
    let mut missing = Vec::new();
    for (_, interface) in &resolve.interfaces {
        let name = interface.name.as_deref().unwrap_or("?");
        note(&mut missing, interface.docs.contents.as_deref(), name);
        for function in interface.functions.values() {
            note(&mut missing, function.docs.contents.as_deref(), &format!("{name}.{}", function.name));
        }
        for (type_name, id) in &interface.types {
            for (item, docs) in parts(&resolve.types[*id]) {
                note(&mut missing, docs.as_deref(), &format!("{name}.{type_name}{item}"));
            }
        }
    }
    for (_, world) in &resolve.worlds {
        note(&mut missing, world.docs.contents.as_deref(), &world.name);
    }
    assert!(missing.is_empty(), "without documentation: {missing:#?}");
}

fn note(missing: &mut Vec<String>, docs: Option<&str>, item: &str) {
    if docs.is_none_or(|docs| docs.trim().is_empty()) {
        missing.push(item.to_owned());
    }
}

/// A type and its fields or cases, with their documentation. A type that is only another's name
/// in this interface (`use`) is documented where it is defined.
fn parts(definition: &wit_parser::TypeDef) -> Vec<(String, Option<String>)> {
    let own = (String::new(), definition.docs.contents.clone());
    let inner = |name: &str, docs: &wit_parser::Docs| (format!(".{name}"), docs.contents.clone());
    match &definition.kind {
        TypeDefKind::Type(wit_parser::Type::Id(_)) => Vec::new(),
        TypeDefKind::Record(record) => {
            std::iter::once(own).chain(record.fields.iter().map(|f| inner(&f.name, &f.docs))).collect()
        }
        TypeDefKind::Variant(variant) => {
            std::iter::once(own).chain(variant.cases.iter().map(|c| inner(&c.name, &c.docs))).collect()
        }
        TypeDefKind::Enum(cases) => {
            std::iter::once(own).chain(cases.cases.iter().map(|c| inner(&c.name, &c.docs))).collect()
        }
        _ => vec![own],
    }
}
