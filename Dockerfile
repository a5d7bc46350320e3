# One small image for all peers: datdot in a virtual environment, and no build tools. The images it begins with may be others:
#   docker build --build-arg PYTHON_IMAGE=… --build-arg RUST_IMAGE=… .
ARG PYTHON_IMAGE=docker.io/library/python:3.11.9-slim-bookworm
ARG RUST_IMAGE=docker.io/library/rust:1.89-slim-bookworm

# The codec's wheel, by cargo and maturin. One for every Python from 3.11 on.
FROM ${RUST_IMAGE} AS codec
RUN python3 -m venv --help >/dev/null 2>&1 \
    || { apt-get update && apt-get install -y --no-install-recommends python3-venv && rm -rf /var/lib/apt/lists/*; }
WORKDIR /usr/src/codec
COPY pallet-spec/encoding/Cargo.toml ./
COPY pallet-spec/encoding/src src
COPY pallet-spec/encoding/native native
RUN python3 -m venv /build && /build/bin/pip wheel --no-cache-dir --no-deps --wheel-dir /wheels native/python

# What datdot needs, in an environment of its own, then datdot itself, as it changes more often.
FROM ${PYTHON_IMAGE} AS packages
WORKDIR /usr/src/datdot
COPY pyproject.toml constraints.txt ./
RUN python3 -m venv /opt/datdot /build \
    && /build/bin/pip install --no-cache-dir 'hatchling>=1.27' \
    && python3 -c 'import tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
print(*project["dependencies"], *project["optional-dependencies"]["alerts"], sep="\n")' > requirements.txt \
    && /opt/datdot/bin/pip install --no-cache-dir --constraint constraints.txt --requirement requirements.txt
COPY --from=codec /wheels /wheels
COPY README.md LICENSE ./
COPY service service
COPY runtime-mock runtime-mock
COPY pallet-spec/artifacts pallet-spec/artifacts
RUN /build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/datdot/bin/pip install --no-cache-dir --no-deps --no-index /wheels/*.whl \
    && /opt/datdot/bin/python -m compileall -q /opt/datdot/lib \
    && /opt/datdot/bin/pip uninstall --yes --quiet setuptools pip

FROM ${PYTHON_IMAGE}
COPY --from=packages /opt/datdot /opt/datdot
RUN useradd --uid 1000 --user-group --create-home datdot && install -d -o datdot -g datdot -m 0700 /data
ENV PATH=/opt/datdot/bin:$PATH PYTHONDONTWRITEBYTECODE=1 DATDOT_CODEC=native XDG_STATE_HOME=/data/state
USER datdot
WORKDIR /data
VOLUME /data
CMD ["datdot", "--help"]
