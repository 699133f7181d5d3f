//! What the operating system says of this process: the memory that it holds and how busy it keeps the processor.

use std::time::{Duration, Instant};

/// Resident size of this process in bytes, or `None` where the system does not tell.
pub fn resident_bytes() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        // `status` gives kilobytes; `statm` counts pages, whose size differs between machines.
        bytes_in("VmRSS:", &std::fs::read_to_string("/proc/self/status").ok()?)
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

/// Largest resident size of this process so far in bytes; where the system does not tell, the present one.
pub fn peak_resident_bytes() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        bytes_in("VmHWM:", &std::fs::read_to_string("/proc/self/status").ok()?)
    }
    #[cfg(not(target_os = "linux"))]
    {
        resident_bytes()
    }
}

/// Time that all threads of this process have kept a core busy since it began, or `None` where the system does not tell.
/// The system counts in hundredths of a second.
pub fn cpu_time() -> Option<Duration> {
    #[cfg(target_os = "linux")]
    {
        cpu_time_in(&std::fs::read_to_string("/proc/self/stat").ok()?)
    }
    #[cfg(not(target_os = "linux"))]
    {
        use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};
        let id = sysinfo::get_current_pid().ok()?;
        let mut system = System::new();
        system.refresh_processes_specifics(
            ProcessesToUpdate::Some(&[id]),
            true,
            ProcessRefreshKind::nothing().with_cpu(),
        );
        let process = system.process(id)?;
        Some(Duration::from_millis(process.accumulated_cpu_time()))
    }
}

/// The cores that this process keeps busy, as a mean over a little while.
#[derive(Debug)]
pub struct BusyCores {
    since: Instant,
    before: Option<Duration>,
    cores: f64,
}

impl BusyCores {
    /// Begins to measure.
    pub fn new() -> Self {
        Self {
            since: Instant::now(),
            before: cpu_time(),
            cores: 0.0,
        }
    }

    /// Mean since the last measurement, if that is a quarter of a second ago or more, so that the system's coarse count does
    /// not matter; else the last measurement again. 0 before the first.
    pub fn read(&mut self) -> f64 {
        const SHORTEST: Duration = Duration::from_millis(250);
        let passed = self.since.elapsed();
        if passed >= SHORTEST {
            let now = cpu_time();
            if let Some((now, before)) = now.zip(self.before) {
                self.cores = now.saturating_sub(before).as_secs_f64() / passed.as_secs_f64();
            }
            self.since += passed;
            self.before = now;
        }
        self.cores
    }
}

impl Default for BusyCores {
    fn default() -> Self {
        Self::new()
    }
}

/// Main memory of this machine in bytes, or `None` where the system does not tell.
pub fn machine_bytes() -> Option<u64> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_memory();
    Some(system.total_memory()).filter(|&bytes| bytes > 0)
}

#[cfg(target_os = "linux")]
fn bytes_in(name: &str, status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(target_os = "linux")]
fn cpu_time_in(stat: &str) -> Option<Duration> {
    /// `USER_HZ`, which is 100 on every machine that Rust's standard library runs on.
    const MILLIS_PER_TICK: u64 = 10;
    // The program's name comes second, in brackets, and may hold blanks and brackets.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let (user, system) = (ticks()?, ticks()?);
    Some(Duration::from_millis((user + system) * MILLIS_PER_TICK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_holds_memory() {
        assert!(resident_bytes().is_some_and(|bytes| bytes > 1 << 20));
        assert!(peak_resident_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }

    #[test]
    fn the_machine_has_more_than_this_process_holds() {
        assert!(machine_bytes() > resident_bytes());
    }

    #[test]
    fn a_busy_thread_is_a_busy_core() {
        let mut busy = BusyCores::new();
        assert_eq!(busy.read(), 0.0);
        let began = Instant::now();
        let enough = cpu_time().unwrap() + Duration::from_millis(200);
        while cpu_time().unwrap() < enough || began.elapsed() < Duration::from_millis(300) {
            std::hint::black_box((0..10_000).fold(0_u64, |sum, i| std::hint::black_box(sum ^ i)));
        }
        let cores = busy.read();
        assert!(cores > 0.0 && cores <= 1.1 * std::thread::available_parallelism().unwrap().get() as f64);
        assert_eq!(busy.read(), cores);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_stat_file_is_read_behind_the_name() {
        let stat = "12 (a ) b (c) R 1 12 12 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 100 1000 10";
        assert_eq!(cpu_time_in(stat), Some(Duration::from_secs(3)));
        assert_eq!(cpu_time_in("12 (a"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_status_file_is_read_by_name() {
        let status = "VmPeak:\t  9 kB\nVmHWM:\t  3000 kB\nVmRSS:\t    2144 kB\n";
        assert_eq!(bytes_in("VmRSS:", status), Some(2144 * 1024));
        assert_eq!(bytes_in("VmHWM:", status), Some(3000 * 1024));
        assert_eq!(bytes_in("VmRSS:", "Name:\tx\n"), None);
    }
}
