"""An object store on the loopback device that checks signatures, and a client that is not ours.

Prints the port and the key of whoever may publish; then does what standard input says, a line at a time.
"""
import json
import logging
import os
import pathlib
import sys

# So many requests are anybody's: those by which a user is made.
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "4"

import boto3
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()


def client(service, key, secret):
    return boto3.client(
        service,
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
    )


iam = client("iam", "nobody", "nothing")
iam.create_user(UserName="publisher")
key = iam.create_access_key(UserName="publisher")["AccessKey"]
policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
iam.put_user_policy(UserName="publisher", PolicyName="all", PolicyDocument=json.dumps(policy))
s3 = client("s3", key["AccessKeyId"], key["SecretAccessKey"])
s3.create_bucket(Bucket="edge")
print(port, key["AccessKeyId"], key["SecretAccessKey"], flush=True)

for line in sys.stdin:
    words = line.split()
    if words[0] == "put":
        s3.put_object(Bucket="edge", Key=words[1], Body=b"left behind")
    else:
        folder = pathlib.Path(words[1])
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket="edge")
        for item in (item for page in pages for item in page.get("Contents", [])):
            path = folder / item["Key"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(s3.get_object(Bucket="edge", Key=item["Key"])["Body"].read())
    print("done", flush=True)
