//! How much memory the operating system holds for this process, and how much there is.

/// Resident size of this process in bytes, or `None` where the system does not tell.
pub fn resident_bytes() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        // `status` gives kilobytes; `statm` counts pages, whose size differs between machines.
        resident_in(&std::fs::read_to_string("/proc/self/status").ok()?)
    }
    #[cfg(not(target_os = "linux"))]
    {
        use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};
        let id = sysinfo::get_current_pid().ok()?;
        let mut system = System::new();
        system.refresh_processes_specifics(
            ProcessesToUpdate::Some(&[id]),
            true,
            ProcessRefreshKind::nothing().with_memory(),
        );
        system.process(id).map(sysinfo::Process::memory)
    }
}

/// Main memory of this machine in bytes, or `None` where the system does not tell.
pub fn machine_bytes() -> Option<u64> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_memory();
    Some(system.total_memory()).filter(|&bytes| bytes > 0)
}

#[cfg(target_os = "linux")]
fn resident_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_holds_memory() {
        assert!(resident_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }

    #[test]
    fn the_machine_has_more_than_this_process_holds() {
        assert!(machine_bytes() > resident_bytes());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_status_file_is_read_by_name() {
        assert_eq!(resident_in("VmPeak:\t  9 kB\nVmRSS:\t    2144 kB\n"), Some(2144 * 1024));
        assert_eq!(resident_in("Name:\tx\n"), None);
    }
}
