//! Tests that need a process of their own.

use std::process::Command;

/// Runs the ignored test `name` of this program in a process of its own, and prints what it told: the allocator counts the whole
/// process, and the other tests are in this one. Fails where the test does, or where there is none of that name.
pub fn alone(name: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    println!("{told}");
    assert!(
        output.status.success() && told.contains("1 passed"),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
