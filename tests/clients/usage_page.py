"""The examples of MLflow's page "AI Gateway Usage", as they stand there; only Python's indentation is put back."""

from __future__ import annotations

ADDRESS = "localhost:5000"
"""Where the page's gateway is: the only thing that a test replaces."""

CURL_CHAT = """\
curl -X POST http://localhost:5000/gateway/chat/invocations \\
-H "Content-Type: application/json" \\
-d '{
"messages": [
{"role": "user", "content": "Hello, how are you?"}
]
}'
"""

CURL_COMPLETIONS = """\
curl -X POST http://localhost:5000/gateway/completions/invocations \\
-H "Content-Type: application/json" \\
-d '{
"prompt": "The future of AI is",
"max_tokens": 100
}'
"""

CURL_EMBEDDINGS = """\
curl -X POST http://localhost:5000/gateway/embeddings/invocations \\
-H "Content-Type: application/json" \\
-d '{
"input": "Text to embed"
}'
"""

CURL_STREAM = """\
curl -X POST http://localhost:5000/gateway/chat/invocations \\
-H "Content-Type: application/json" \\
-d '{
"messages": [{"role": "user", "content": "Write a story"}],
"stream": true
}'
"""

JSON_CHAT = """\
{
"messages": [
{"role": "system", "content": "You are a helpful assistant."},
{"role": "user", "content": "What is machine learning?"}
],
"temperature": 0.7,
"max_tokens": 150,
"top_p": 0.9,
"frequency_penalty": 0.0,
"presence_penalty": 0.0,
"stop": ["\\n\\n"],
"stream": false
}
"""

JSON_COMPLETIONS = """\
{
"prompt": "Once upon a time",
"temperature": 0.8,
"max_tokens": 100,
"top_p": 1.0,
"frequency_penalty": 0.0,
"presence_penalty": 0.0,
"stop": [".", "!"],
"stream": false
}
"""

JSON_EMBEDDINGS = """\
{
"input": ["Text to embed", "Another text"],
"encoding_format": "float"
}
"""

PYTHON_CHAT = """\
from mlflow.deployments import get_deploy_client

# Create a client for the gateway
client = get_deploy_client("http://localhost:5000")

# Query a chat endpoint
response = client.predict(
    endpoint="chat",
    inputs={"messages": [{"role": "user", "content": "What is MLflow?"}]},
)

print(response["choices"][0]["message"]["content"])
"""

PYTHON_ADVANCED = """\
from mlflow.deployments import get_deploy_client

# Initialize client
client = get_deploy_client("http://localhost:5000")


# Chat with streaming
def stream_chat(prompt):
    response = client.predict(
        endpoint="chat",
        inputs={
            "messages": [{"role": "user", "content": prompt}],
            "stream": True,
            "temperature": 0.7,
        },
    )

    for chunk in response:
        if chunk["choices"][0]["delta"].get("content"):
            print(chunk["choices"][0]["delta"]["content"], end="")


# Generate embeddings
def get_embeddings(texts):
    response = client.predict(endpoint="embeddings", inputs={"input": texts})
    return [item["embedding"] for item in response["data"]]


# Example usage
stream_chat("Explain quantum computing")
embeddings = get_embeddings(["Hello world", "MLflow AI Gateway"])
"""

PYTHON_ERRORS = """\
from mlflow.deployments import get_deploy_client
from mlflow.exceptions import MlflowException

client = get_deploy_client("http://localhost:5000")

try:
    response = client.predict(
        endpoint="chat", inputs={"messages": [{"role": "user", "content": "Hello"}]}
    )
    print(response)
except MlflowException as e:
    print(f"MLflow error: {e}")
except Exception as e:
    print(f"Unexpected error: {e}")
"""

PYTHON_MANAGEMENT = """\
from mlflow.deployments import get_deploy_client

client = get_deploy_client("http://localhost:5000")

# List available endpoints
endpoints = client.list_endpoints()
for endpoint in endpoints:
    print(f"Endpoint: {endpoint['name']}")

# Get endpoint details
endpoint_info = client.get_endpoint("chat")
print(f"Model: {endpoint_info.get('model', {}).get('name', 'N/A')}")
print(f"Provider: {endpoint_info.get('model', {}).get('provider', 'N/A')}")

# Note: Route creation, updates, and deletion are typically done
# through configuration file changes, not programmatically
"""

PYTHON_HEALTH = """\
import requests

try:
    response = requests.get("http://localhost:5000/health")
    print(f"Status: {response.status_code}")
    if response.status_code == 200:
        print("Gateway is healthy")
except requests.RequestException as e:
    print(f"Health check failed: {e}")
"""


def at(example: str, port: int) -> str:
    """An example of the page, with the port of the gateway that is to answer it."""
    return example.replace(ADDRESS, f"localhost:{port}")
