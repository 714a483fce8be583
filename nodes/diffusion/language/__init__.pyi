from . import token_choice as token_choice
from . import writing as writing
