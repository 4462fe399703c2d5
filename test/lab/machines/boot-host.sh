#!/bin/bash
# One machine of the cloud-init driver: runs as the first process of new mount, UTS, IPC and PID namespaces, inside the machine's
# network namespace. The root is an overlay of this host's, so nothing here changes the host. cloud-init is the real one.
# Given by the driver: LAB_SHARE (a folder both sides see), LAB_HOSTNAME, LAB_METADATA_URL, LAB_CONSUMER_KEY, LAB_TOKEN_KEY,
# LAB_TOKEN_SECRET, LAB_SYSTEM_ID, LAB_PARTS (the folder of kubeadm-shim.py and etcd-forward.py).
set -euo pipefail
work=$LAB_SHARE/work
root=$work/root
mount --make-rprivate /
mkdir -p "$work"
mount -t tmpfs -o size=512m tmpfs "$work"
mkdir "$work/upper" "$work/changes" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/changes" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
# No disks: what cloud-init would grow or format must not be there.
mount -t tmpfs tmpfs "$root/dev"
for node in null zero full random urandom tty; do
  touch "$root/dev/$node"
  mount --bind "/dev/$node" "$root/dev/$node"
done
ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/1 "$root/dev/stdout"
ln -s fd/2 "$root/dev/stderr"
mkdir -p "$root/dev/shm" "$root/run/slipway-lab" "$root/run/cloud-init" "$root/run/lock"
mount --bind "$LAB_SHARE/machine" "$root/run/slipway-lab"
hostname "$LAB_HOSTNAME"

# Stand-ins: kubeadm and the kubelet by their nature; the rest because all machines share this host's kernel and init.
stand_ins=$root/usr/local/bin
mkdir -p "$stand_ins"
for name in kubelet containerd ctr crictl runc systemctl sysctl modprobe swapoff apt-get apt-mark apt-key; do
  rm -f "$stand_ins/$name"
  printf '#!/bin/sh\necho "%s $*" >> /run/slipway-lab/calls.log\n' "$name" >"$stand_ins/$name"
  chmod 0755 "$stand_ins/$name"
done
rm -f "$stand_ins/kubeadm"
cp "$LAB_PARTS/kubeadm-shim.py" "$stand_ins/kubeadm"
cp "$LAB_PARTS/etcd-forward.py" "$stand_ins/slipway-lab-etcd-forward"
chmod 0755 "$stand_ins/kubeadm" "$stand_ins/slipway-lab-etcd-forward"

rm -rf "$root/var/lib/cloud" "$root/etc/kubernetes" "$root/var/lib/slipway"
mkdir -p "$root/etc/cloud/cloud.cfg.d" "$root/root"
cat >"$root/etc/cloud/cloud.cfg.d/99_slipway_lab.cfg" <<CFG
datasource_list: [ MAAS ]
datasource:
  MAAS:
    metadata_url: $LAB_METADATA_URL
    consumer_key: $LAB_CONSUMER_KEY
    token_key: $LAB_TOKEN_KEY
    token_secret: $LAB_TOKEN_SECRET
reporting:
  maas:
    type: webhook
    endpoint: $LAB_METADATA_URL/status/$LAB_SYSTEM_ID
    consumer_key: $LAB_CONSUMER_KEY
    token_key: $LAB_TOKEN_KEY
    token_secret: $LAB_TOKEN_SECRET
network: { config: disabled }
growpart: { mode: "off" }
resize_rootfs: false
ssh_deletekeys: false
ssh_genkeytypes: []
locale: false
manage_etc_hosts: false
preserve_hostname: true
apt: { preserve_sources_list: true }
CFG

# The moment the bootstrap program says hello is the end of the boot: the driver takes it as the machine's own time.
(until [ -e "$root/var/lib/slipway/hello.json" ]; do sleep 0.1; done; date +%s%3N >"$LAB_SHARE/machine/booted") &

setpriv --bounding-set=-sys_module,-sys_boot,-sys_time chroot "$root" /usr/bin/env -i \
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 bash -c '
    for stage in "init --local" "init" "modules --mode=config" "modules --mode=final"; do
      cloud-init $stage >>/run/slipway-lab/cloud-init.log 2>&1 || echo "cloud-init $stage: exit $?" >>/run/slipway-lab/cloud-init.log
    done
    cloud-init status --long >>/run/slipway-lab/cloud-init.log 2>&1 || true' || true
exec sleep infinity
