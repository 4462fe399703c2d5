// Pure. The steps of a bootstrap, each reported by the machine with the last lines it printed.
import type { BootstrapStep } from '../../shared/bootstrap.ts';
import type { KubernetesLayer } from '../../shared/cluster-profile.ts';
import { type DocumentKind, JOIN_STEP, SLIPWAY_FOLDER } from './document-kind.ts';
import { CLEAR_RELAY, INSTALL_RELAY } from './relay-step.ts';
import { CLEAR_SITE, siteScript, USE_SITE_PROXY } from './site-step.ts';
import { quote, unguardScript } from './user-text.ts';

type StepInput = {
  readonly endpoint: string;
  /** Hosts and networks that no proxy is asked for. */
  readonly direct: readonly string[];
  readonly hooks: { readonly pre: readonly string[]; readonly post: readonly string[] };
  readonly userFiles: readonly { path: string; content: string }[];
  /** The machine is a gateway's own. */
  readonly carriesRelay: boolean;
  readonly kubernetes: KubernetesLayer;
};

export function bootstrapSteps(kind: DocumentKind, input: StepInput): BootstrapStep[] {
  const { endpoint, hooks, kubernetes } = input;
  const unguard = unguardScript(input.userFiles);
  const begin = kind === 'init' ? initStep(endpoint) : joinStep(kind);
  const reach = reachStep(endpoint);
  return [
    ...(unguard === null ? [] : [step('place-files', unguard, 60)]),
    // First of all that may reach out.
    step('site-settings', siteScript(input.direct), 180, { attempts: 3, pauseSeconds: 5 }),
    step('prepare', PREPARE, 300),
    // Early: the code it pairs with ends soon, and the relay shall live even while Kubernetes does not ([GW1]).
    ...(input.carriesRelay ? [step('install-relay', INSTALL_RELAY, 420, { attempts: 20, pauseSeconds: 15 })] : []),
    step('install-kubernetes', installScript(kubernetes), 1_200, { attempts: 3, pauseSeconds: 15 }),
    ...hookSteps('pre', hooks.pre),
    // Joining needs the address to be there; beginning makes it, and kubeadm would not notice its absence (kubernetes.md §2.4).
    ...(kind === 'init' ? [begin, reach] : [reach, begin]),
    ...hookSteps('post', hooks.post),
    step('clear-secrets', input.carriesRelay ? `${CLEAR}\n${CLEAR_RELAY}` : CLEAR, 60),
  ];
}

type Retries = Partial<Pick<BootstrapStep, 'attempts' | 'pauseSeconds' | 'beforeRetry'>>;

function step(name: string, script: string, timeoutSeconds: number, retries: Retries = {}): BootstrapStep {
  return { name, script: `${script}\n`, timeoutSeconds, attempts: 1, pauseSeconds: 0, beforeRetry: null, ...retries };
}

/** Modules and settings may be built in, or not ours to change: kubeadm's own checks have the last word. */
const PREPARE = `swapoff -a || true
sed -i.slipway -E 's/^([^#].*[[:space:]]swap[[:space:]].*)$/# \\1/' /etc/fstab || true
modprobe -a overlay br_netfilter || true
sysctl --load=/etc/sysctl.d/90-slipway.conf || true`;

/** Nothing is downloaded when the image has Kubernetes inside. */
function installScript({ version, packageRepository }: KubernetesLayer): string {
  const present = `if command -v kubeadm >/dev/null && command -v kubelet >/dev/null; then
  echo "Kubernetes is in the image: $(kubeadm version -o short || true)"
  exit 0
fi`;
  if (packageRepository === null) {
    return `${present}
echo "The image has no kubeadm, and the profile names no package repository." >&2
exit 1`;
  }
  const repository = packageRepository.replace(/\/?$/, '/');
  const packages = version.slice(1);
  // Steps run with umask 077, and apt's own user reads the keyring: "NO_PUBKEY" otherwise.
  return `${present}
umask 022
${USE_SITE_PROXY}
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y --no-install-recommends ca-certificates curl gpg containerd conntrack ethtool socat
install -d -m 0755 /etc/apt/keyrings /etc/containerd
curl -fsSL --retry 3 ${quote(`${repository}Release.key`)} | gpg --batch --yes --dearmor -o /etc/apt/keyrings/kubernetes.gpg
echo ${quote(`deb [signed-by=/etc/apt/keyrings/kubernetes.gpg] ${repository} /`)} >/etc/apt/sources.list.d/kubernetes.list
apt-get update
apt-get install -y --no-install-recommends kubelet='${packages}-*' kubeadm='${packages}-*' kubectl='${packages}-*'
apt-mark hold kubelet kubeadm kubectl
containerd config default | sed 's/SystemdCgroup = false/SystemdCgroup = true/' >/etc/containerd/config.toml
systemctl enable kubelet containerd
systemctl restart containerd`;
}

function hookSteps(when: 'pre' | 'post', commands: readonly string[]): BootstrapStep[] {
  return commands.map((_, index) => {
    const name = `${when}-kubeadm-${index + 1}`;
    return step(name, `${USE_SITE_PROXY}\nbash -euo pipefail ${SLIPWAY_FOLDER}/hooks/${when}-${index + 1}`, 900);
  });
}

/** A failed attempt leaves files that fail the next one, and reset takes away what we delivered (kubernetes.md §2.1). */
const RESET = 'kubeadm reset -f || true';
const PLACE_CONTROL_PLANE = `install -d -m 0755 /etc/kubernetes/pki/etcd /etc/kubernetes/manifests
cp -f ${SLIPWAY_FOLDER}/pki/*.* /etc/kubernetes/pki/
cp -f ${SLIPWAY_FOLDER}/pki/etcd/*.* /etc/kubernetes/pki/etcd/
chmod 0644 /etc/kubernetes/pki/*.crt /etc/kubernetes/pki/etcd/*.crt
cp -f ${SLIPWAY_FOLDER}/kube-vip.yaml /etc/kubernetes/manifests/kube-vip.yaml`;

/** What was delivered for the retries is not needed again; Kubernetes has its own copies. */
const CLEAR = `rm -rf ${SLIPWAY_FOLDER}/pki ${SLIPWAY_FOLDER}/kubeadm.yaml
${CLEAR_SITE}`;

/** A machine that was given back may run on when its BMC does not obey: beside it, this one would make a second cluster. */
function initStep(endpoint: string): BootstrapStep {
  const script = `if ${answers(endpoint)}; then
  echo "Something answers at ${endpoint}:6443 already, where this cluster begins: is a machine that was given back still on?" >&2
  exit 1
fi
${PLACE_CONTROL_PLANE}
kubeadm init --config ${SLIPWAY_FOLDER}/kubeadm.yaml`;
  const beforeRetry = `${RESET}\n${PLACE_CONTROL_PLANE}\n`;
  return step('kubeadm-init', script, 600, { attempts: 3, pauseSeconds: 10, beforeRetry });
}

/** With its token's 10 minutes this is less than the time to join: when that is over, none is under way ([CP14]). */
const JOIN_STEP_SECONDS = 420;

function joinStep(kind: DocumentKind): BootstrapStep {
  const place = kind === 'join-worker' ? '' : `${PLACE_CONTROL_PLANE}\n`;
  const script = `${place}kubeadm join --config ${SLIPWAY_FOLDER}/kubeadm.yaml`;
  return step(JOIN_STEP, script, JOIN_STEP_SECONDS, {
    attempts: 4,
    pauseSeconds: 10,
    beforeRetry: `${RESET}\n${place}`,
  });
}

const answers = (endpoint: string): string => `timeout 5 bash -c '</dev/tcp/${endpoint}/6443'`;

function reachStep(endpoint: string): BootstrapStep {
  const script = answers(endpoint);
  return step('reach-endpoint', script, 10, { attempts: 90, pauseSeconds: 2 });
}
