from . import attention_guidance as attention_guidance
from . import cfg as cfg
from . import downscale as downscale
from . import freeu as freeu
from . import hypertile as hypertile
from . import scaling as scaling
from . import spectrum as spectrum
from . import tome as tome
