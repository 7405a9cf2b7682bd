"""The built-in platforms. An app adds its own in a module of this name."""

from neural.hooks.platforms.base import register_platform
from neural.hooks.platforms.deliverect import Deliverect
from neural.hooks.platforms.eleme import Eleme
from neural.hooks.platforms.keruyun import Keruyun
from neural.hooks.platforms.meituan import Meituan
from neural.hooks.platforms.square import Square
from neural.hooks.platforms.standard import StandardWebhooks
from neural.hooks.platforms.toast import Toast

for platform in (
    StandardWebhooks(),
    Square(),
    Toast(),
    Deliverect(),
    Eleme(),
    Meituan(),
    Keruyun(),
):
    register_platform(platform)
