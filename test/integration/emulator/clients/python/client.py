"""The unmodified Python SDK as a client that is told what to do, a line at a time; see ../story.ts."""
import os
import sys

from azure.core.exceptions import AzureError, HttpResponseError
from azure.identity import ClientSecretCredential, DefaultAzureCredential
from azure.keyvault.secrets import SecretClient

URL = os.environ["AZURE_KEYVAULT_URL"]
backups = {}


def open_client(credential):
    # Without retries of its own: a throttled answer is looked at, not waited for.
    return SecretClient(URL, credential, retry_total=0)


client = open_client(DefaultAzureCredential())
reader = open_client(
    ClientSecretCredential(os.environ["AZURE_TENANT_ID"], os.environ["READER_ID"], os.environ["READER_SECRET"])
)


def do(operation, name="", value=""):
    global client
    if operation == "set":
        return client.set_secret(name, value, content_type="text/plain").properties.version
    if operation == "get":
        return client.get_secret(name, value or None).value
    if operation == "list":
        return len([each for each in client.list_properties_of_secrets() if each.name.startswith(name)])
    if operation == "update":
        return client.update_secret_properties(name, tags={"team": value}).tags["team"]
    if operation == "delete":
        return client.begin_delete_secret(name).result().name
    if operation == "deleted":
        return client.get_deleted_secret(name).name
    if operation == "recover":
        return client.begin_recover_deleted_secret(name).result().name
    if operation == "purge":
        return client.purge_deleted_secret(name) or name
    if operation == "backup":
        backups[name] = client.backup_secret(name)
        return len(backups[name])
    if operation == "restore":
        return client.restore_secret_backup(backups[name]).name
    if operation == "read":
        return reader.get_secret(name).value
    if operation == "fresh":
        client = open_client(DefaultAzureCredential())
        return "fresh"
    raise ValueError(f"no such operation: {operation}")


for line in sys.stdin:
    try:
        answer = f"ok\t{do(*line.rstrip(chr(10)).split(chr(9)))}"
    except HttpResponseError as failure:
        answer = f"error\t{failure.status_code}\t{' '.join(str(failure).split())}"
    except AzureError as failure:
        answer = f"error\t0\t{' '.join(str(failure).split())}"
    print(answer, flush=True)
