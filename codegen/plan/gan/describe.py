"""What a person reads first about two networks that train each other."""

from __future__ import annotations

from codegen.plan.gan.network import GanNetwork
from codegen.plan.plan import Description
from codegen.plan.units import human

GOODFELLOW = "Goodfellow et al., Generative Adversarial Networks (arXiv:1406.2661)"
DCGAN = "Radford et al., Deep Convolutional GANs (arXiv:1511.06434)"
PAPERS = {
    "hinge": "Miyato et al., Spectral Normalization (arXiv:1802.05957)",
    "least-squares": "Mao et al., Least Squares GANs (arXiv:1611.04076)",
    "wgan-gp": "Gulrajani et al., Improved Training of Wasserstein GANs (arXiv:1704.00028)",
}
CONDITIONAL = "Mirza and Osindero, Conditional GANs (arXiv:1411.1784)"
R1 = "Mescheder et al., Which Training Methods for GANs do actually Converge (arXiv:1801.04406)"
PIX2PIX = (
    "Isola et al., Image-to-Image Translation with Conditional Adversarial Networks"
    " (arXiv:1611.07004)"
)
CYCLE = "Zhu et al., Unpaired Image-to-Image Translation (arXiv:1703.10593)"
LOSSES = {
    "non-saturating": "the non-saturating loss",
    "bce": "binary cross entropy",
    "hinge": "the hinge loss",
    "least-squares": "least squares",
    "wgan-gp": "the Wasserstein distance with a gradient penalty",
}


def describe(name: str, network: GanNetwork, does: str) -> Description:
    """Title, notable choices and papers."""
    counts = [_count(network, f"{one.attributes[0]}.") for one in network.players]
    made, judging = (human(count).strip() for count in counts)
    loss = network.loss
    title = (
        f"{name}: a generator of {made} parameters that {does}, and a discriminator of {judging}."
    )
    if loss.cycle:
        title = (
            f"{name}: two generators of {made} parameters each, one that {does} and one that "
            f"leads back, and two discriminators of {judging}."
        )
    beside = " and by the pixels' distance to targets" if loss.l1 else ""
    notable = [f"trained by {LOSSES[loss.kind]}{beside}"]
    papers = [GOODFELLOW, DCGAN]
    if loss.l1:
        papers.append(PIX2PIX)
    if loss.cycle:
        notable.append("without pairs: what goes there and back stays the same")
        papers.append(CYCLE)
    if loss.kind in PAPERS:
        papers.append(PAPERS[loss.kind])
    if loss.r1:
        notable.append("gradients at real images are kept small")
        papers.append(R1)
    if network.conditional:
        notable.append("a class is asked for")
        papers.append(CONDITIONAL)
    return Description(title, (*notable, *network.words), tuple(papers))


def _count(network: GanNetwork, prefix: str) -> int:
    return sum(row.count for row in network.parameters if row.name.startswith(prefix))
