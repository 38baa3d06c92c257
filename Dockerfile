# One image for web, control, worker and scheduler; compose.yaml says which is which.
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install -y --no-install-recommends borgbackup openssh-client tini util-linux \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 borgui

# compiled code without its columns: less memory, tracebacks without ^^^^
ENV PYTHONNODEBUGRANGES=1
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY wsgi.py ./
COPY borgui borgui
COPY templates templates
COPY static static
COPY migrations migrations
# a new volume takes over owner and mode of what lies at its place here
RUN python -m compileall -q borgui migrations wsgi.py \
    && install -d -o borgui -g borgui -m 0700 /data

ENV BORGUI_DATA_DIR=/data BORGUI_HOST=0.0.0.0 PYTHONUNBUFFERED=1
VOLUME /data
USER borgui
EXPOSE 8000
ENTRYPOINT ["tini", "--", "python", "-m", "borgui"]
CMD ["up"]
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s \
    CMD ["python", "-m", "borgui", "alive", "web"]
