//! datdot_codec: the face of the codec towards Python. Whole runs go in and come out, and no lock of the interpreter is held
//! meanwhile; errors carry the names that service.encoding gives them.

use datdot_encoding_native::{codec, merkle, Fault, Path, SECTOR};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

mod errors {
    use super::PyException;
    pyo3::create_exception!(datdot_codec, CodecError, PyException, "Base of this module's errors.");
    pyo3::create_exception!(datdot_codec, ModulusError, CodecError, "The modulus is not allowed.");
    pyo3::create_exception!(datdot_codec, PrivateKeyError, CodecError, "The primes form no key.");
    pyo3::create_exception!(datdot_codec, KeyErased, CodecError, "The encoder was closed.");
    pyo3::create_exception!(datdot_codec, ComputationFault, CodecError, "A root failed its check.");
    pyo3::create_exception!(datdot_codec, SectorError, CodecError, "No run of sectors, or no sector of the tree.");
}

fn error(fault: Fault) -> PyErr {
    let what = fault.to_string();
    match fault {
        Fault::Key(_) => errors::PrivateKeyError::new_err(what),
        Fault::Modulus => errors::ModulusError::new_err(what),
        Fault::Run(..) | Fault::Opening => errors::SectorError::new_err(what),
        Fault::Computation => errors::ComputationFault::new_err(what),
    }
}

fn path(portable: bool) -> Path {
    if portable {
        Path::Portable
    } else {
        Path::Fastest
    }
}

type Hashed<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>);

/// Makes a segment's encoded sectors. `primes`: two to four, big endian. `portable` leaves AVX512 unused.
#[pyclass(frozen)]
struct Encoder {
    key: Mutex<Option<Arc<codec::Encoder>>>,
}

impl Encoder {
    fn slot(&self) -> MutexGuard<'_, Option<Arc<codec::Encoder>>> {
        self.key.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self) -> PyResult<Arc<codec::Encoder>> {
        self.slot().clone().ok_or_else(|| errors::KeyErased::new_err("the private key of this encoder has been erased"))
    }
}

#[pymethods]
impl Encoder {
    #[new]
    #[pyo3(signature = (primes, salt, portable=false))]
    fn new(py: Python<'_>, primes: Vec<Vec<u8>>, salt: [u8; 32], portable: bool) -> PyResult<Self> {
        let primes: Vec<_> = primes.into_iter().map(Zeroizing::new).collect();
        let slices: Vec<&[u8]> = primes.iter().map(|prime| prime.as_slice()).collect();
        let key = py.detach(|| codec::Encoder::new(&slices, salt, path(portable))).map_err(error)?;
        Ok(Self { key: Mutex::new(Some(Arc::new(key))) })
    }

    /// Encode whole sectors. Raises SectorError, ComputationFault and KeyErased.
    fn encode<'py>(&self, py: Python<'py>, first_sector: u64, run: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let key = self.key()?;
        changed(py, run, |run| key.encode(first_sector, run))
    }

    /// Encode whole sectors and hash them as leaves: the bytes, and 32 bytes for each sector.
    fn encode_and_hash<'py>(
        &self,
        py: Python<'py>,
        ctx: [u8; 32],
        first_sector: u64,
        run: &[u8],
    ) -> PyResult<Hashed<'py>> {
        let key = self.key()?;
        let mut leaves = Vec::new();
        let encoded = changed(py, run, |run| {
            key.encode(first_sector, run)?;
            leaves = merkle::leaves(&ctx, first_sector, run)?;
            Ok(())
        })?;
        Ok((encoded, PyBytes::new(py, &leaves)))
    }

    /// Drop the key; it is overwritten once no thread encodes with it any longer.
    fn close(&self) {
        self.slot().take();
    }
}

/// Turns a segment's encoded sectors back. `modulus`: 256 bytes, big endian; its small factors are not looked for.
#[pyclass(frozen)]
struct Decoder(codec::Decoder);

#[pymethods]
impl Decoder {
    #[new]
    #[pyo3(signature = (modulus, salt, portable=false))]
    fn new(modulus: [u8; SECTOR], salt: [u8; 32], portable: bool) -> PyResult<Self> {
        codec::Decoder::new(&modulus, salt, path(portable)).map(Self).map_err(error)
    }

    /// Decode whole sectors. Raises SectorError.
    fn decode<'py>(&self, py: Python<'py>, first_sector: u64, run: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        changed(py, run, |run| self.0.decode(first_sector, run))
    }
}

/// A changed copy of a run, or the error; of a run that failed nothing is left.
fn changed<'py>(
    py: Python<'py>,
    run: &[u8],
    work: impl FnOnce(&mut [u8]) -> Result<(), Fault> + Send,
) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, run.len(), |out| {
        py.detach(|| {
            out.copy_from_slice(run);
            work(out)
        })
        .map_err(error)
    })
}

/// Return the leaf hashes of whole sectors, 32 bytes each. Raises SectorError.
#[pyfunction]
fn leaf_hashes<'py>(py: Python<'py>, ctx: [u8; 32], first_sector: u64, run: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let leaves = py.detach(|| merkle::leaves(&ctx, first_sector, run)).map_err(error)?;
    Ok(PyBytes::new(py, &leaves))
}

/// Return the level above nodes of 32 bytes each: pairs are hashed, an odd last node is carried up.
#[pyfunction]
fn parents<'py>(py: Python<'py>, level: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    if !level.len().is_multiple_of(merkle::HASH) {
        return Err(errors::SectorError::new_err(format!("{} bytes are no nodes of {}", level.len(), merkle::HASH)));
    }
    Ok(PyBytes::new(py, &py.detach(|| merkle::parents(level))))
}

/// Return the root of a segment from its sectors. Raises SectorError.
#[pyfunction]
fn segment_root<'py>(py: Python<'py>, ctx: [u8; 32], run: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let root = py.detach(|| merkle::root(&ctx, run)).map_err(error)?;
    Ok(PyBytes::new(py, &root))
}

/// Return the root of a segment, and the siblings of a sector's path, bottom up, 32 bytes each. Raises SectorError.
#[pyfunction]
fn opening<'py>(py: Python<'py>, ctx: [u8; 32], run: &[u8], sector: u64) -> PyResult<Hashed<'py>> {
    let (root, siblings) = py.detach(|| merkle::opening(&ctx, run, sector)).map_err(error)?;
    Ok((PyBytes::new(py, &root), PyBytes::new(py, &siblings)))
}

/// Whether eight roots at a time are taken here (AVX512-IFMA).
#[pyfunction]
fn accelerated() -> bool {
    codec::accelerated()
}

#[pymodule]
fn datdot_codec(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add("INTERFACE", 1)?;
    m.add_class::<Encoder>()?;
    m.add_class::<Decoder>()?;
    m.add("CodecError", m.py().get_type::<errors::CodecError>())?;
    m.add("ModulusError", m.py().get_type::<errors::ModulusError>())?;
    m.add("PrivateKeyError", m.py().get_type::<errors::PrivateKeyError>())?;
    m.add("KeyErased", m.py().get_type::<errors::KeyErased>())?;
    m.add("ComputationFault", m.py().get_type::<errors::ComputationFault>())?;
    m.add("SectorError", m.py().get_type::<errors::SectorError>())?;
    m.add_function(wrap_pyfunction!(leaf_hashes, m)?)?;
    m.add_function(wrap_pyfunction!(parents, m)?)?;
    m.add_function(wrap_pyfunction!(segment_root, m)?)?;
    m.add_function(wrap_pyfunction!(opening, m)?)?;
    m.add_function(wrap_pyfunction!(accelerated, m)?)
}
