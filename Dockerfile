FROM python:3.12-slim AS build
COPY requirements.txt /
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /requirements.txt

FROM python:3.12-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin authsvc \
 && install -d -o authsvc -g authsvc /app/var
COPY --from=build /venv /venv
COPY LICENSE manage.py /app/
COPY accounts /app/accounts
COPY authsvc /app/authsvc
RUN /venv/bin/python -m compileall -q /app
WORKDIR /app
USER authsvc
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOST=0.0.0.0 PORT=8000 WS_PORT=8001 LOG_FORMAT=json
VOLUME /app/var
EXPOSE 8000 8001
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/healthz', timeout=2)"]
CMD ["python", "manage.py", "serve"]
