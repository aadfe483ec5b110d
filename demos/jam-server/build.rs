//! Installs the official `phoenix` client, at the version and the digest of `package-lock.json`, so
//! that the program can serve it. The package is under the MIT licence.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    let files = ["package.json", "package-lock.json"];
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("npm");
    fs::create_dir_all(&folder).expect("OUT_DIR is writable");
    for file in files {
        println!("cargo::rerun-if-changed={file}");
        fs::copy(file, folder.join(file)).expect("the package's files are readable");
    }
    println!("cargo::rerun-if-changed=build.rs");
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let status = Command::new(npm)
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"])
        .current_dir(&folder)
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("npm could not install the phoenix client: {status}"),
        Err(error) => panic!("the phoenix client is an npm package, and npm does not run: {error}"),
    }
    let package = folder.join("node_modules/phoenix");
    println!(
        "cargo::rustc-env=PHOENIX_JS={}",
        package.join("priv/static/phoenix.min.js").display()
    );
    println!("cargo::rustc-env=PHOENIX_LICENSE={}", package.join("LICENSE.md").display());
}
