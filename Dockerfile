# The image of Cairn: operator, REST API and migrations in one. docs/image.md tells how to build it and what is in it.
#
# PYTHON is what it runs on, BUILD_PYTHON what it is built on: the same Python at the same path, the latter with pip.
# For production name it by its digest: --build-arg PYTHON=python@sha256:…
ARG PYTHON=python:3.11-slim-bookworm
ARG BUILD_PYTHON=${PYTHON}

FROM ${BUILD_PYTHON} AS dependencies
WORKDIR /build
COPY requirements-image.txt ./
# The secret is a pip.conf, for those who have an index of their own: it is mounted, and in no layer.
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    python3 -m venv --without-pip /opt/cairn \
 && python3 -m pip --python /opt/cairn/bin/python install --no-cache-dir --no-compile --no-deps --only-binary=:all: \
    --require-hashes --requirement requirements-image.txt \
# Compiled here, since a read-only root lets nobody do it later; and valid whatever time a layer gives to a file.
 && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/cairn

FROM dependencies AS build
COPY requirements-build.txt ./
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    python3 -m venv --without-pip tools \
 && python3 -m pip --python tools/bin/python install --no-cache-dir --no-compile --no-deps --only-binary=:all: \
    --require-hashes --requirement requirements-build.txt
COPY LICENSE README.md pyproject.toml ./
COPY operator operator
ARG COMMIT=unknown
# Into a folder of its own, so that a new Cairn on the same dependencies is one small layer.
RUN echo "${COMMIT}" >operator/cairn/COMMIT \
 && tools/bin/python -m hatchling build --target wheel --directory dist \
 && python3 -m pip --python /opt/cairn/bin/python install --no-cache-dir --no-compile --no-deps --no-index \
    --find-links dist --prefix /build/installed cairn \
 && python3 -m compileall -q --invalidation-mode unchecked-hash -s /build/installed -p /opt/cairn installed

FROM ${PYTHON} AS accounts
RUN echo 'cairn:x:65532:65532:Cairn:/tmp:/usr/sbin/nologin' >>/etc/passwd && echo 'cairn:x:65532:' >>/etc/group

# Nothing runs in this stage, so that nothing of a build, such as what is mounted for it, is left in the image.
FROM ${PYTHON}
LABEL org.opencontainers.image.title="Cairn" \
      org.opencontainers.image.description="DAG workflows on Kubernetes whose state can be saved and restored" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV HOME=/tmp PYTHONUNBUFFERED=1 PYTHONSAFEPATH=1
USER 65532:65532
ENTRYPOINT ["/opt/cairn/bin/python", "-m", "cairn"]
COPY --from=accounts /etc/passwd /etc/group /etc/
COPY --from=dependencies /opt/cairn /opt/cairn
COPY --from=build /build/installed /opt/cairn
ARG VERSION=0.2.0
ARG COMMIT=unknown
LABEL org.opencontainers.image.version="${VERSION}" org.opencontainers.image.revision="${COMMIT}"
