//! What a gateway keeps in memory of each device that is connected, welcome and quiet.

use super::{Bare, Bench, CannotRun, Figure, Fleet, Over, Row, anywhere};
use crate::bench::load::count;

const KIB: f64 = 1024.0;
const MIB: f64 = 1_048_576.0;

/// What connecting every device did to a side.
struct Measured {
    /// Its memory without devices.
    empty: f64,
    /// Its memory with all of them.
    full: f64,
    lost: u64,
    /// How many devices the gateway counted.
    counted: u64,
}

impl Measured {
    fn each(&self, devices: usize) -> f64 {
        (self.full - self.empty) / count(devices.max(1))
    }
}

pub(super) async fn run(bench: &Bench, over: Over) -> Result<Row, CannotRun> {
    let devices = bench.settings.devices;
    let (name, target) = match over {
        Over::Tcp => ("memory-tcp", 3.0 * KIB),
        Over::WebSocket => ("memory-websocket", 5.0 * KIB),
    };
    let mut row = Row::new("link", name);
    match gateway(bench, over, name).await {
        Ok(ours) => {
            row.figure(Figure::new("bytes_per_device", ours.each(devices), "B").at_most(target))
                .figure(Figure::new("empty", ours.empty / MIB, "MiB"))
                .figure(Figure::new("full", ours.full / MIB, "MiB"));
            row.expect("devices that the gateway counts", ours.counted, devices as u64).expect(
                "connections lost",
                ours.lost,
                0,
            );
        }
        // The bare loops are measured still, and whoever reads the row learns why they stand alone.
        Err(CannotRun(why)) => row.problems.push(format!("the gateway was not measured: {why}")),
    }
    let bare = Bare::start(anywhere()).await?;
    let empty = bare.process.settled_memory().await?;
    let fleet = Fleet::connect(&bench.roster, over, bare.address(over), &bench.progress).await?;
    let full = bare.process.settled_memory().await?;
    let bare = Measured { empty, full, lost: fleet.lost(), counted: 0 };
    row.figure(Figure::new("bare_bytes_per_device", bare.each(devices), "B"));
    row.expect("connections to the bare loops lost", bare.lost, 0);
    row.with("devices", devices);
    Ok(row)
}

async fn gateway(bench: &Bench, over: Over, store: &str) -> Result<Measured, CannotRun> {
    let mut gateway = bench.gateway(store, anywhere()).await?;
    let address = match over {
        Over::Tcp => gateway.link,
        Over::WebSocket => gateway.public,
    };
    let empty = gateway.process.settled_memory().await?;
    let fleet = Fleet::connect(&bench.roster, over, address, &bench.progress).await?;
    let full = gateway.process.settled_memory().await?;
    Ok(Measured { empty, full, lost: fleet.lost(), counted: gateway.admin.devices().await? })
}
