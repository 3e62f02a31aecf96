use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use crate::label::Labels;

/// More machines are not remembered; the one that was silent for longest goes.
const MAX_MACHINES: usize = 4096;
/// How many requests of each are remembered.
const MAX_REQUESTS: usize = 16;

/// Which machine asked for what, as far as the status page shows it.
#[derive(Debug, Default)]
pub(crate) struct Machines(Mutex<BTreeMap<IpAddr, Machine>>);

/// One machine, known by its address.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) labels: Labels,
    /// The group it was last found in.
    pub(crate) group: Option<String>,
    /// What it last reported.
    pub(crate) report: Option<(SystemTime, String)>,
    pub(crate) seen: SystemTime,
    /// The latest last.
    pub(crate) requests: VecDeque<Arc<Progress>>,
}

/// One answer, and how far it has been sent.
#[derive(Debug)]
pub(crate) struct Progress {
    pub(crate) what: String,
    pub(crate) begun: SystemTime,
    pub(crate) total: u64,
    sent: AtomicU64,
}

impl Progress {
    pub(crate) fn new(what: String, begun: SystemTime, total: u64) -> Arc<Self> {
        Arc::new(Self { what, begun, total, sent: AtomicU64::new(0) })
    }

    pub(crate) fn add(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }
}

impl Machines {
    /// Remembers a request.
    pub(crate) fn asked(&self, address: IpAddr, progress: &Arc<Progress>) {
        self.update(address, progress.begun, |machine| {
            if machine.requests.len() == MAX_REQUESTS {
                machine.requests.pop_front();
            }
            machine.requests.push_back(Arc::clone(progress));
        });
    }

    /// Remembers what a machine says about itself, and the group it was found in.
    pub(crate) fn identified(&self, address: IpAddr, labels: &Labels, group: Option<&str>) {
        self.update(address, SystemTime::now(), |machine| {
            machine.labels = labels.clone();
            machine.group = group.map(str::to_owned);
        });
    }

    /// Remembers a report. A machine that names itself by its MAC address is found by that, since
    /// it may have another address by now.
    pub(crate) fn reported(&self, address: IpAddr, labels: &Labels, report: &str) {
        let mac = labels.get("mac");
        let known = mac.and_then(|mac| {
            let machines = self.lock();
            let same = |machine: &Machine| machine.labels.get("mac") == Some(mac);
            machines.iter().find(|(_, machine)| same(machine)).map(|(address, _)| *address)
        });
        let now = SystemTime::now();
        self.update(known.unwrap_or(address), now, |machine| {
            machine.report = Some((now, report.to_owned()));
            if machine.labels.len() == 0 {
                machine.labels = labels.clone();
            }
        });
    }

    /// Returns all machines, the one that was heard of last first.
    pub(crate) fn all(&self) -> Vec<(IpAddr, Machine)> {
        let mut all: Vec<_> =
            self.lock().iter().map(|(ip, machine)| (*ip, machine.clone())).collect();
        all.sort_by_key(|(_, machine)| std::cmp::Reverse(machine.seen));
        all
    }

    fn update(&self, address: IpAddr, now: SystemTime, change: impl FnOnce(&mut Machine)) {
        let address = address.to_canonical();
        let mut machines = self.lock();
        if machines.len() >= MAX_MACHINES && !machines.contains_key(&address) {
            let oldest = machines.iter().min_by_key(|(_, machine)| machine.seen);
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                machines.remove(&oldest);
            }
        }
        let machine = machines.entry(address).or_insert_with(|| Machine {
            labels: Labels::default(),
            group: None,
            report: None,
            seen: now,
            requests: VecDeque::new(),
        });
        machine.seen = now;
        change(machine);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<IpAddr, Machine>> {
        // What a panicking thread left behind is at worst one entry that is half new.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_oldest_machine_and_request_go_first() {
        let machines = Machines::default();
        let at = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        for number in 0..5000_u32 {
            let progress = Progress::new("x".into(), at(number.into()), 1);
            machines.asked(Ipv4Addr::from(number).into(), &progress);
        }
        let address = Ipv4Addr::from(4999).into();
        for number in 0..20 {
            machines.asked(address, &Progress::new(number.to_string(), at(6000), 1));
        }
        let all = machines.all();
        assert_eq!(all.len(), MAX_MACHINES);
        assert_eq!(all[0].0, address);
        assert_eq!(all[0].1.requests.front().unwrap().what, "4");
        assert!(all.iter().all(|(_, machine)| machine.seen >= at(904)));
    }

    #[test]
    fn a_report_finds_its_machine_by_the_mac_address() {
        let machines = Machines::default();
        let (first, second) = (Ipv4Addr::from(1).into(), Ipv4Addr::from(2).into());
        let labels = Labels::from_query("mac=525400000001").unwrap();
        machines.identified(first, &labels, Some("g"));
        machines.reported(second, &labels, "ready");
        machines.reported(second, &Labels::default(), "other");
        let all: BTreeMap<_, _> = machines.all().into_iter().collect();
        assert_eq!(all[&first].report.as_ref().unwrap().1, "ready");
        assert_eq!(all[&second].report.as_ref().unwrap().1, "other");
    }
}
