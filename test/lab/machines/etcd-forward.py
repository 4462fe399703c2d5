#!/usr/bin/python3
"""Part of the cloud-init driver: serves ADDRESS:2379 on a machine by passing bytes to the lab's etcd stand-in over a socket."""
import socket, sys, threading


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    finally:
        for end in (source, sink):
            end.close()


server = socket.create_server((sys.argv[1], 2379), reuse_port=True)
while True:
    near, _ = server.accept()
    far = socket.socket(socket.AF_UNIX)
    try:
        far.connect("/run/slipway-lab/etcd.sock")
    except OSError:
        near.close()
        continue
    threading.Thread(target=pump, args=(near, far), daemon=True).start()
    threading.Thread(target=pump, args=(far, near), daemon=True).start()
