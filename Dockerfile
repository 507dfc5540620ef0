# What every machine of a Kubernetes cluster runs (pipelines/rayjob.yaml): Ray, what pyproject.toml names, and the code.
FROM rayproject/ray:2.60.0-py311-gpu
WORKDIR /home/ray/biasray
COPY pyproject.toml .
RUN pip install --no-cache-dir uv && uv pip install --system --no-cache -r pyproject.toml
COPY biasray biasray
COPY pipelines pipelines
ENV PYTHONPATH=/home/ray/biasray
