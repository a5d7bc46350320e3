FROM docker.io/library/python:3.11-slim-bookworm
WORKDIR /usr/src/datdot
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY service service
COPY runtime-mock runtime-mock
COPY pallet-spec/artifacts pallet-spec/artifacts
RUN pip install --no-cache-dir --constraint constraints.txt '.[alerts]' \
    && useradd --create-home datdot \
    && install -d -o datdot -g datdot /data
USER datdot
WORKDIR /data
VOLUME /data
CMD ["datdot", "--help"]
