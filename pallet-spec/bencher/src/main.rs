//! Runs the benchmarks of the pallet DatDot in the executor that real nodes have, and prints what they took as JSON.
//!
//!     datdot-bencher RUNTIME.wasm CHAIN-SPEC.json [--steps N] [--repeat N] [--only NAME]
//!
//! This is the part of `frame-omni-bencher benchmark pallet` that weights need, without the client around it: each
//! benchmark is run once with its verification, once with its reads, writes and proof recorded, and `repeat` times for
//! its time; least squares without outliers give base and slopes.

use std::{error::Error, fs, path::PathBuf, process::ExitCode};

use codec::{Decode, Encode};
use frame_benchmarking::{
    Analysis, BenchmarkBatch, BenchmarkList, BenchmarkParameter, BenchmarkResult, BenchmarkSelector,
};
use sc_client_db::BenchmarkingState;
use sc_executor::WasmExecutor;
use serde_json::{json, Value};
use sp_core::traits::{CallContext, RuntimeCode, WrappedRuntimeCode};
use sp_externalities::Extensions;
use sp_keystore::{testing::MemoryKeystore, KeystoreExt};
use sp_runtime::traits::{BlakeTwo256, Hash};
use sp_state_machine::StateMachine;
use sp_storage::Storage;

type HostFunctions = (sp_io::SubstrateHostFunctions, frame_benchmarking::benchmarking::HostFunctions);
type Components = Vec<(BenchmarkParameter, u32)>;
type Failure = Box<dyn Error>;

/// The pallet and its type in the runtime, as the runtime names them.
const PALLET: &[u8] = b"pallet_datdot";
const INSTANCE: &[u8] = b"crate::DatDot";

struct Options {
    runtime: PathBuf,
    chain_spec: PathBuf,
    steps: u32,
    repeat: u32,
    only: Option<String>,
}

fn options() -> Result<Options, Failure> {
    let mut found = Options { runtime: "".into(), chain_spec: "".into(), steps: 10, repeat: 20, only: None };
    let mut paths = Vec::new();
    let mut rest = std::env::args().skip(1);
    while let Some(word) = rest.next() {
        let mut value = || rest.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--steps" => found.steps = value()?.parse()?,
            "--repeat" => found.repeat = value()?.parse()?,
            "--only" => found.only = Some(value()?),
            _ => paths.push(PathBuf::from(word)),
        }
    }
    let [runtime, chain_spec] =
        <[PathBuf; 2]>::try_from(paths).map_err(|_| "usage: datdot-bencher RUNTIME CHAIN-SPEC")?;
    if found.steps < 2 || found.repeat < 1 {
        return Err("--steps must be 2 or more, --repeat 1 or more".into());
    }
    Ok(Options { runtime, chain_spec, ..found })
}

/// The raw storage of a chain spec's genesis, without its code.
fn genesis(path: &PathBuf) -> Result<Storage, Failure> {
    let spec: Value = serde_json::from_slice(&fs::read(path)?)?;
    let top = spec["genesis"]["raw"]["top"].as_object().ok_or("the chain spec is not raw")?;
    let mut storage = Storage::default();
    for (key, value) in top {
        let value = value.as_str().ok_or("a value of the genesis is no string")?;
        let key = sp_core::bytes::from_hex(key).map_err(|error| format!("{key}: {error:?}"))?;
        if key != b":code" {
            storage.top.insert(key, sp_core::bytes::from_hex(value).map_err(|error| format!("{value}: {error:?}"))?);
        }
    }
    Ok(storage)
}

/// The runtime with its benchmarks, over the genesis.
struct Bench {
    code: Vec<u8>,
    executor: WasmExecutor<HostFunctions>,
    tracking: BenchmarkingState<BlakeTwo256>,
    timing: BenchmarkingState<BlakeTwo256>,
}

impl Bench {
    fn new(options: &Options) -> Result<Self, Failure> {
        let storage = genesis(&options.chain_spec)?;
        Ok(Self {
            code: fs::read(&options.runtime)?,
            executor: WasmExecutor::builder().with_max_runtime_instances(2).with_runtime_cache_size(2).build(),
            tracking: BenchmarkingState::new(storage.clone(), None, true, true)?,
            timing: BenchmarkingState::new(storage, None, false, false)?,
        })
    }

    fn call<R: Decode>(&self, state: &BenchmarkingState<BlakeTwo256>, method: &str, data: &[u8]) -> Result<R, Failure> {
        let code = WrappedRuntimeCode((&self.code).into());
        let hash = BlakeTwo256::hash(&self.code).encode();
        let code = RuntimeCode { code_fetcher: &code, heap_pages: None, hash };
        let mut changes = Default::default();
        let mut extensions = Extensions::default();
        extensions.register(KeystoreExt::new(MemoryKeystore::new()));
        let answer = StateMachine::new(
            state,
            &mut changes,
            &self.executor,
            method,
            data,
            &mut extensions,
            &code,
            CallContext::Offchain,
        )
        .execute()
        .map_err(|error| format!("{method}: {error}"))?;
        Ok(R::decode(&mut &answer[..])?)
    }

    fn dispatch(
        &self,
        tracking: bool,
        name: &[u8],
        components: &Components,
        verify: bool,
        repeat: u32,
    ) -> Result<Vec<BenchmarkResult>, Failure> {
        let data = (PALLET, INSTANCE, name, components, verify, repeat).encode();
        let state = if tracking { &self.tracking } else { &self.timing };
        let done: Result<Vec<BenchmarkBatch>, String> = self.call(state, "Benchmark_dispatch_benchmark", &data)?;
        let batches = done.map_err(|error| format!("{}: {error}", String::from_utf8_lossy(name)))?;
        Ok(batches.into_iter().flat_map(|batch| batch.results).collect())
    }
}

/// The values to run with: each component in steps, the others at their highest.
fn points(ranges: &[(BenchmarkParameter, u32, u32)], steps: u32) -> Vec<Components> {
    if ranges.is_empty() {
        return vec![Vec::new()];
    }
    let point = |varied: usize, step: u32| {
        let value = |(index, (name, low, high)): (usize, &(BenchmarkParameter, u32, u32))| {
            let at = u64::from(high - low) * u64::from(step) / u64::from(steps - 1);
            (*name, if index == varied { low + at as u32 } else { *high })
        };
        ranges.iter().enumerate().map(value).collect()
    };
    (0..ranges.len()).flat_map(|varied| (0..steps).map(move |step| (varied, step))).map(|(v, s)| point(v, s)).collect()
}

/// Base and slopes of a quantity, as FRAME's weights take them.
fn analysed(results: &Vec<BenchmarkResult>, selector: BenchmarkSelector, largest: bool) -> Result<Value, Failure> {
    let found = if largest { Analysis::max(results, selector) } else { Analysis::min_squares_iqr(results, selector) }?;
    let slopes: serde_json::Map<_, _> =
        found.names.into_iter().zip(found.slopes.into_iter().map(|slope| json!(slope as u64))).collect();
    Ok(json!({"base": found.base as u64, "slopes": slopes, "minimum": found.minimum as u64}))
}

fn measured(
    bench: &Bench,
    options: &Options,
    name: &[u8],
    ranges: &[(BenchmarkParameter, u32, u32)],
) -> Result<Value, Failure> {
    let (mut times, mut counts) = (Vec::new(), Vec::new());
    for components in points(ranges, options.steps) {
        bench.dispatch(false, name, &components, true, 1)?;
        counts.extend(bench.dispatch(true, name, &components, false, 1)?);
        times.extend(bench.dispatch(false, name, &components, false, options.repeat)?);
    }
    let worst = times.iter().map(|result| result.extrinsic_time as u64).max();
    Ok(json!({
        "ranges": ranges.iter().map(|(name, low, high)| (name.to_string(), json!([low, high]))).collect::<serde_json::Map<_, _>>(),
        "picoseconds": analysed(&times, BenchmarkSelector::ExtrinsicTime, false)?,
        "slowest_nanoseconds": worst,
        "reads": analysed(&counts, BenchmarkSelector::Reads, false)?,
        "writes": analysed(&counts, BenchmarkSelector::Writes, false)?,
        "proof_bytes": analysed(&counts, BenchmarkSelector::ProofSize, false)?,
    }))
}

fn run() -> Result<(), Failure> {
    let options = options()?;
    let bench = Bench::new(&options)?;
    let (lists, _): (Vec<BenchmarkList>, Vec<frame_support::traits::StorageInfo>) =
        bench.call(&bench.timing, "Benchmark_benchmark_metadata", &false.encode())?;
    let list =
        lists.into_iter().find(|list| list.pallet == PALLET).ok_or("the runtime has no benchmarks of the pallet")?;
    let mut found = serde_json::Map::new();
    for benchmark in list.benchmarks {
        let name = String::from_utf8(benchmark.name.clone())?;
        if options.only.as_ref().is_some_and(|only| *only != name) {
            continue;
        }
        eprintln!("{name}");
        found.insert(name, measured(&bench, &options, &benchmark.name, &benchmark.components)?);
    }
    println!("{}", serde_json::to_string_pretty(&found)?);
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("datdot-bencher: {error}");
            ExitCode::FAILURE
        },
    }
}
