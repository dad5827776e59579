"""Presets, recipes, data folders and the command line."""

from kerastl.takes_keras import TAKES_KERAS

if TAKES_KERAS:
    from kerastl.apps.benchmark import BenchmarkResult
    from kerastl.apps.benchmark import benchmark
    from kerastl.apps.choice.choice import Choice
    from kerastl.apps.choice.draw_choice import draw_choice
    from kerastl.apps.choose import choose
    from kerastl.apps.data.augmentation import Augmentation
    from kerastl.apps.data.image_data import ImageData
    from kerastl.apps.data.image_data import ImageFolder
    from kerastl.apps.data.load_digits_pair import load_digits_pair
    from kerastl.apps.data.load_image_folder import load_image_folder
    from kerastl.apps.detect_anomalies import AnomalyDetector
    from kerastl.apps.detect_anomalies import detect_anomalies
    from kerastl.apps.diagnose_file import diagnose_file
    from kerastl.apps.evaluate_model import evaluate_model
    from kerastl.apps.export_model import export_model
    from kerastl.apps.fine_tune import fine_tune
    from kerastl.apps.inspect.inspect_photos import inspect_photos
    from kerastl.apps.inspect.inspection import Inspection
    from kerastl.apps.page.write_page import write_page
    from kerastl.apps.predict import PredictResult
    from kerastl.apps.predict import predict
    from kerastl.apps.presets.preset import Preset
    from kerastl.apps.presets.preset_table import PRESETS
    from kerastl.apps.presets.preset_table import family
    from kerastl.apps.presets.preset_table import get_preset
    from kerastl.apps.quickstart import quickstart
    from kerastl.apps.recipes.recipe import Recipe
    from kerastl.apps.recipes.recipe_table import RECIPES
    from kerastl.apps.recipes.recipe_table import get_recipe
    from kerastl.apps.report.plots import draw_diagnosis
    from kerastl.apps.report.write_model_card import write_model_card
    from kerastl.apps.report.write_report import write_report
    from kerastl.apps.runs.run_result import RunResult
    from kerastl.export.keras_files.load_legacy_h5 import load_legacy_h5
    from kerastl.export.keras_files.load_weights_into import load_weights_into

    MobileNet = family("MobileNet", PRESETS["mobilenet"])
    MobileNetV2 = family("MobileNetV2", PRESETS["mobilenet_v2"])
    MobileNetV3Small = family("MobileNetV3Small", PRESETS["mobilenet_v3_small"])
    MobileNetV3Large = family("MobileNetV3Large", PRESETS["mobilenet_v3_large"])
    EfficientNetB0 = family("EfficientNetB0", PRESETS["efficientnet_b0"])
    EfficientNetV2B0 = family("EfficientNetV2B0", PRESETS["efficientnet_v2_b0"])
    ResNet50 = family("ResNet50", PRESETS["resnet50"])
    ResNet101 = family("ResNet101", PRESETS["resnet101"])
    ResNet152 = family("ResNet152", PRESETS["resnet152"])
    ResNet50V2 = family("ResNet50V2", PRESETS["resnet50_v2"])
    DenseNet121 = family("DenseNet121", PRESETS["densenet121"])
    VGG16 = family("VGG16", PRESETS["vgg16"])
    VGG19 = family("VGG19", PRESETS["vgg19"])
    Xception = family("Xception", PRESETS["xception"])
    InceptionV3 = family("InceptionV3", PRESETS["inception_v3"])
    InceptionResNetV2 = family(
        "InceptionResNetV2", PRESETS["inception_resnet_v2"]
    )
    NASNetMobile = family("NASNetMobile", PRESETS["nasnet_mobile"])
    ConvNeXtTiny = family("ConvNeXtTiny", PRESETS["convnext_tiny"])
    ResNet8 = family("ResNet8", PRESETS["resnet8"])
    ResNet20 = family("ResNet20", PRESETS["resnet20"])

__all__ = [
    "PRESETS",
    "RECIPES",
    "AnomalyDetector",
    "Augmentation",
    "BenchmarkResult",
    "Choice",
    "ConvNeXtTiny",
    "DenseNet121",
    "EfficientNetB0",
    "EfficientNetV2B0",
    "ImageData",
    "ImageFolder",
    "InceptionResNetV2",
    "InceptionV3",
    "Inspection",
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Large",
    "MobileNetV3Small",
    "NASNetMobile",
    "PredictResult",
    "Preset",
    "Recipe",
    "ResNet101",
    "ResNet152",
    "ResNet20",
    "ResNet50",
    "ResNet50V2",
    "ResNet8",
    "RunResult",
    "VGG16",
    "VGG19",
    "Xception",
    "benchmark",
    "choose",
    "diagnose_file",
    "draw_choice",
    "draw_diagnosis",
    "detect_anomalies",
    "evaluate_model",
    "export_model",
    "fine_tune",
    "get_preset",
    "get_recipe",
    "inspect_photos",
    "load_digits_pair",
    "load_image_folder",
    "load_legacy_h5",
    "load_weights_into",
    "predict",
    "quickstart",
    "write_model_card",
    "write_page",
    "write_report",
]
