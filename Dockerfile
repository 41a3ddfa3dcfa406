# The image that docker jobs of GitLab run in: junov, a docker client that builds with BuildKit,
# Compose, git, and uv for linters. See docs/gitlab.md.
#   docker build --tag registry.example.com/team/notes/junov:0.1.0 .

FROM python:3.11-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore


# Debian's client is of a version that builds with BuildKit without a plugin. Of its package only
# the client is wanted, not the engine.
FROM base AS client
RUN apt-get update \
    && apt-get install --yes --no-install-recommends docker.io


FROM base AS wheel
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m pip wheel --no-deps --wheel-dir /wheels .


FROM base
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates git \
    && rm -rf /var/lib/apt/lists/*
COPY --from=client /usr/bin/docker /usr/local/bin/docker
COPY requirements/image.lock /tmp/
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    python -m pip install --require-hashes --requirement /tmp/image.lock \
    && python -m pip install --no-deps /wheels/*.whl
# GitLab runs scripts in a shell, as whoever the runner says.
CMD ["bash"]
