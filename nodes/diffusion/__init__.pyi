from . import parameterization as parameterization
from . import schedules as schedules
