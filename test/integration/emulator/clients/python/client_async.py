"""The unmodified asynchronous Python SDK (aiohttp), told what to do a line at a time; see ../story.ts."""
import asyncio
import os
import sys

from azure.core.exceptions import AzureError, HttpResponseError
from azure.identity.aio import ClientSecretCredential, DefaultAzureCredential
from azure.keyvault.secrets.aio import SecretClient

URL = os.environ["AZURE_KEYVAULT_URL"]
backups = {}
clients = {}


def open_client(credential):
    # Without retries of its own: a throttled answer is looked at, not waited for.
    return SecretClient(URL, credential, retry_total=0)


async def do(operation, name="", value=""):
    client = clients["writer"]
    if operation == "set":
        return (await client.set_secret(name, value, content_type="text/plain")).properties.version
    if operation == "get":
        return (await client.get_secret(name, value or None)).value
    if operation == "list":
        return len([each async for each in client.list_properties_of_secrets() if each.name.startswith(name)])
    if operation == "update":
        return (await client.update_secret_properties(name, tags={"team": value})).tags["team"]
    if operation == "delete":
        return (await client.delete_secret(name)).name
    if operation == "deleted":
        return (await client.get_deleted_secret(name)).name
    if operation == "recover":
        return (await client.recover_deleted_secret(name)).name
    if operation == "purge":
        return await client.purge_deleted_secret(name) or name
    if operation == "backup":
        backups[name] = await client.backup_secret(name)
        return len(backups[name])
    if operation == "restore":
        return (await client.restore_secret_backup(backups[name])).name
    if operation == "read":
        return (await clients["reader"].get_secret(name)).value
    if operation == "fresh":
        await client.close()
        clients["writer"] = open_client(DefaultAzureCredential())
        return "fresh"
    raise ValueError(f"no such operation: {operation}")


async def main():
    tenant, reader = os.environ["AZURE_TENANT_ID"], os.environ["READER_ID"]
    clients["writer"] = open_client(DefaultAzureCredential())
    clients["reader"] = open_client(ClientSecretCredential(tenant, reader, os.environ["READER_SECRET"]))
    for line in sys.stdin:
        try:
            answer = f"ok\t{await do(*line.rstrip(chr(10)).split(chr(9)))}"
        except HttpResponseError as failure:
            answer = f"error\t{failure.status_code}\t{' '.join(str(failure).split())}"
        except AzureError as failure:
            answer = f"error\t0\t{' '.join(str(failure).split())}"
        print(answer, flush=True)
    for client in clients.values():
        await client.close()


asyncio.run(main())
