"""Looking at models and at what they answer: tables, and pictures written to disk."""

from tinynet.inspection.alignments import alignment_picture
from tinynet.inspection.augmentations import augmentation_picture, usual_augmentations
from tinynet.inspection.capsule_pictures import (
    capsule_sweep_picture,
    reconstructions_picture,
    routing_picture,
)
from tinynet.inspection.capsules import capsule_sweep, reconstructions, routing_coefficients
from tinynet.inspection.confusion import confusion_matrix, confusion_picture
from tinynet.inspection.feature_maps import feature_maps_picture
from tinynet.inspection.filters import FILTERS, filter_image, filters_picture
from tinynet.inspection.layers import activations
from tinynet.inspection.network_graph import NetworkGraph, network_graph
from tinynet.inspection.network_picture import network_picture
from tinynet.inspection.patches import ExcitingPatches, exciting_patches, exciting_patches_picture
from tinynet.inspection.pictures import prediction_grid
from tinynet.inspection.readings import readings_picture
from tinynet.inspection.receptive_fields import ReceptiveField, receptive_field, receptive_fields
from tinynet.inspection.reliability import reliability_diagram
from tinynet.inspection.weights import dense_product, dense_product_picture, weights_picture
from tinynet.inspection.window_pictures import windows_picture
from tinynet.nn.summary import summarize as summary

__all__ = [
    "FILTERS",
    "ExcitingPatches",
    "NetworkGraph",
    "ReceptiveField",
    "activations",
    "alignment_picture",
    "augmentation_picture",
    "capsule_sweep",
    "capsule_sweep_picture",
    "confusion_matrix",
    "confusion_picture",
    "dense_product",
    "dense_product_picture",
    "exciting_patches",
    "exciting_patches_picture",
    "feature_maps_picture",
    "filter_image",
    "filters_picture",
    "network_graph",
    "network_picture",
    "prediction_grid",
    "readings_picture",
    "receptive_field",
    "receptive_fields",
    "reconstructions",
    "reconstructions_picture",
    "reliability_diagram",
    "routing_coefficients",
    "routing_picture",
    "summary",
    "usual_augmentations",
    "weights_picture",
    "windows_picture",
]
