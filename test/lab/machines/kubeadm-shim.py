#!/usr/bin/python3
"""STAND-IN for kubeadm on a machine of the cloud-init driver: sends its arguments and the files kubeadm reads to the lab over a
socket on this machine, and does to the disk what the lab's model of kubeadm answers. test/lab/machines/kubeadm.ts decides."""
import http.client, json, os, shutil, socket, subprocess, sys

SOCKET = "/run/slipway-lab/lab.sock"
FOLDERS = ["/etc/kubernetes", "/var/lib/etcd"]


class Lab(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(300)
        self.sock.connect(SOCKET)


def files(arguments):
    paths = [a.split("=", 1)[-1] for a in arguments if os.path.isfile(a.split("=", 1)[-1])]
    for folder in FOLDERS:
        for parent, _, names in os.walk(folder):
            paths += [os.path.join(parent, name) for name in names]
    return {path: open(path, encoding="utf-8", errors="replace").read() for path in paths}


def main():
    arguments = sys.argv[1:]
    with open("/run/slipway-lab/calls.log", "a") as calls:
        calls.write("kubeadm " + " ".join(arguments) + "\n")
    lab = Lab("lab")
    lab.request("POST", "/kubeadm", json.dumps({"args": arguments, "files": files(arguments)}), {"content-type": "application/json"})
    answer = json.loads(lab.getresponse().read())
    for path in answer["removed"]:
        shutil.rmtree(path, ignore_errors=True) if os.path.isdir(path) else os.path.exists(path) and os.remove(path)
    for path, content in answer["written"].items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(content)
    if answer["etcdAddress"]:
        subprocess.Popen(["slipway-lab-etcd-forward", answer["etcdAddress"]], start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    sys.stdout.write(answer["output"])
    return answer["exitCode"]


sys.exit(main())
