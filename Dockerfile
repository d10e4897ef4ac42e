# docker build -t goflow . && docker run -p 8080:8080 -v goflow:/data goflow
# Only /data is written: add --read-only where you like.

FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src

# The dependencies first: this layer stays until the lock changes.
COPY requirements.lock ./
RUN python -m venv /opt/venv \
 && /opt/venv/bin/pip install --require-hashes -r requirements.lock

COPY requirements-build.lock ./
RUN pip install --require-hashes -r requirements-build.lock

COPY pyproject.toml README.md ./
COPY blueprints blueprints
COPY workers_mock workers_mock
COPY goflow_py goflow_py
RUN pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
 && /opt/venv/bin/pip install --no-deps --no-index dist/*.whl

FROM python:3.11-slim
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin goflow \
 && install -d -o goflow -g goflow -m 0700 /data
COPY --from=build /opt/venv /opt/venv

USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
# No proxy: the environment may name one for the workers.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["python", "-c", \
  "import urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:8080/healthz', timeout=2)"]

# Whoever reaches the port needs a key: the first start writes an admin's into /data/admin.key.
ENTRYPOINT ["goflow"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8080", "--data", "/data/goflow.db", \
  "--bootstrap-key-file", "/data/admin.key", "--log-format", "json"]
