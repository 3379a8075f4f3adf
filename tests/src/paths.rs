use std::{
    env,
    path::{Path, PathBuf},
};

/// The `sophia` binary: `SOPHIA_BIN`, or the release build in the target folder that this test is in.
pub fn sophia() -> PathBuf {
    let path = env::var_os("SOPHIA_BIN").map_or_else(|| target().join("release/sophia"), PathBuf::from);
    assert!(path.is_file(), "{} is not there: run `cargo build --release -p sophia`", path.display());
    path
}

/// A guest's bytes.
pub fn guest(name: &str) -> Vec<u8> {
    let path = guest_path(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}: run `cargo xtask guests {name}`", path.display()))
}

/// Whether a guest was built.
pub fn has_guest(name: &str) -> bool {
    guest_path(name).is_file()
}

/// Where a guest lies once it is built.
pub(crate) fn guest_path(name: &str) -> PathBuf {
    target().join("guests").join(format!("{name}.wasm"))
}

/// `CARGO_TARGET_DIR`, or where this executable was built: `{target}/release/deps/e2e-…`.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(
        || {
            let exe = env::current_exe().expect("this test knows its own path");
            exe.ancestors().nth(3).map(Path::to_owned).expect("this test lies in a target folder")
        },
        PathBuf::from,
    )
}
